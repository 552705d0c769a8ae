"""What ``ssgan init`` writes.

``project/`` holds the files, with ``@@name@@`` where a choice of the user goes; ``recipes/`` parameters for known data, which
replace those of ``project/parameters.yaml``.
"""
