"""Versions of models: which there are, which one is live, and how one becomes it.

version.py     the files of one version, its name (a hash of them), and how it is made of a finished run
registry.py    versions and names in storage
promotion.py   champion against challenger, and the change of names
"""
