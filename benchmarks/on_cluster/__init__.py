"""What ``benchmarks/cluster.py`` measures, one file per claim."""
