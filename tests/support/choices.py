"""What `ssgan init` fills into its templates."""

from __future__ import annotations

CHOICES = {
    "source": "kind: folder\n    path: images",
    "mode": "team",
    "labels": "null",
    "image_size": "32",
    "channels": "3",
    "requirement": "ssgan==0",
}
