"""Where this very ssgan was installed from, and how to install it again: PEP 610 (direct_url.json)."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from ssgan import __version__

FROM_SOURCE = """\
# `ssgan init` ran from a folder of source code, which other machines do not have. For them build a wheel (`uv build --wheel` in
# that folder) or name its repository: ssgan @ git+https://HOST/REPOSITORY@COMMIT
"""


def requirement() -> str:
    """Lines of requirements.txt that install the ssgan that runs here."""
    origin = _origin()
    address = _address(origin)
    if address:
        return f"ssgan @ {address}\n"
    return (FROM_SOURCE if origin else "") + f"ssgan=={__version__}\n"


def remedy(extra: str) -> str:
    """The command that adds an extra to this installation."""
    origin = _origin()
    if address := _address(origin):
        return f"pip install 'ssgan[{extra}] @ {address}'"
    if not origin:
        return f"pip install 'ssgan[{extra}]'"
    folder = url2pathname(urlparse(origin["url"]).path)
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}'{folder}[{extra}]'"


def _origin() -> dict[str, Any]:
    """The content of direct_url.json; empty where ssgan came from an index, or is not installed but only on the path."""
    try:
        text = distribution("ssgan").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    return json.loads(text) if text else {}


def _address(origin: dict[str, Any]) -> str | None:
    """The address of a commit or of an archive, with what pins it; None for a folder or an index."""
    if (vcs := origin.get("vcs_info")) is not None:
        return f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}{_subdirectory(origin)}"
    if (archive := origin.get("archive_info")) is not None:
        digest = archive.get("hashes", {}).get("sha256")
        return origin["url"] + (f"#sha256={digest}" if digest else "")
    return None


def _subdirectory(origin: dict[str, Any]) -> str:
    return f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
