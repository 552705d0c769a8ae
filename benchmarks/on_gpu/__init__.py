"""The parts of ``benchmarks/gpu.py``. Of ssgan they import the engine and what is below it: no Ray and no data path."""
