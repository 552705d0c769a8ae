"""One file per family of networks; the file name is what ``net.family`` says."""
