"""The model of ``benchmarks/scale.py``: measurements (``measure``), constants with their sources, formulas (``model``)."""
