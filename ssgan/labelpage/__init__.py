"""The page of ``ssgan label``."""
