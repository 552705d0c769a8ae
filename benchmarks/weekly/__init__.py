"""The parts of benchmarks/weekly_loop.py: what arrives each week, who labels it, and the project that takes it in."""
