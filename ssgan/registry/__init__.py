"""What a registered model is, whatever storage it lies in; ``ssgan.runtime.registry`` keeps it there.

version.py     the files of one version, its name (a hash of them), and how it is made of a finished run
"""
