"""The table of MNIST errors at 20, 50, 100 and 200 labels; see ``benchmarks.mnist_table``."""
