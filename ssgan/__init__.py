"""ssgan: semi-supervised image classification with GANs, from raw images and few labels to a trusted classifier."""

import os

__version__ = "0.1.0"

# The one piece of work at import: libgomp reads this when torch is loaded, so it has to stand before any import of torch.
# With libgomp's default, threads that wait for each other burn the core that the other one needs as soon as anything else
# runs on the machine: a step on 2 threads took 505 ms instead of about 110 ms (decision 0005).
os.environ.setdefault("GOMP_SPINCOUNT", "30000")
