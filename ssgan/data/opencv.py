"""OpenCV that keeps quiet: a folder of damaged files must not fill the terminal with lines that name none of them.

Its level of logging can be set by the environment alone, before it is loaded; whoever set it already keeps it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2

__all__ = ["cv2"]
