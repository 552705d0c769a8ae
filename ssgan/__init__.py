"""ssgan: semi-supervised image classification with GANs, from raw images and few labels to a trusted classifier."""

__version__ = "0.1.0"
