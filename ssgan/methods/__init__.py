"""One file per method; the file name is the registry. No method imports another."""
