"""Paths and URLs of label files in the notation of ingested paths: relative, with ``/``, not quoted, in Unicode form NFC.

images\\day1\\1.png                                      images/day1/1.png
/data/local-files/?d=images/my%20cat.png                 images/my cat.png
s3://bucket/raw/1.png                                    s3:/bucket/raw/1.png      a bucket is a place of its own
https://host/images/1.png                                https:/host/images/1.png  see ``below_host``
file:///images/1.png                                     images/1.png
/data/upload/3/54a9f142-IMG_1.jpg                        an upload to Label Studio, see ``uploaded_names``
"""

from __future__ import annotations

import os
import re
from unicodedata import normalize
from urllib.parse import unquote, unquote_plus

LOCAL_FILES = "/data/local-files/?d="  # of Label Studio: what follows is relative to its document root
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # one letter alone would be a drive of Windows
_HOST = re.compile(r"https?:/[^/]+/|(?:\.\./)+")
_UPLOADED = re.compile(r"(?:^|/)(?:data|media)/upload/(?:\d+/)?([0-9a-f]{8}-([^/]+))$")
_CLEANED = re.compile(r"[^-\w.]")


def notations(address: str) -> list[str]:
    """All that an address may mean, as keys (see ``key``), the most literal one first.

    Whether a tool quoted a URL, and whether ``#`` or ``&`` ends a path, cannot be seen, so all ways are offered.
    """
    _, local, file = address.partition(LOCAL_FILES)
    if local:
        texts = [file, file.partition("&")[0]]
    elif url := _URL.fullmatch(address):
        whole = url[2].partition("/")[2] if url[1].lower() == "file" else f"{url[1].lower()}:/{url[2]}"
        texts = [whole, re.split(r"[?#]", whole, maxsplit=1)[0]]
    else:
        texts = [address]
    spellings = [one for text in dict.fromkeys(texts) for one in _unquoted(text, bool(local))]
    return list(dict.fromkeys(found for text in spellings if (found := key(text))))


def _unquoted(text: str, form: bool) -> list[str]:
    """The text as it is, and as it was if it was quoted. form: as in a form, where + may be a space."""
    found = [text, unquote(text)] if "%" in text else [text]
    return [*found, unquote_plus(text)] if form and "+" in text else found


def below_host(name: str) -> str:
    """A key without what says nothing about the folder: a web server's name, or ``../`` in front."""
    return name[found.end() :] if (found := _HOST.match(name)) else name


def as_written(beginning: str) -> str:
    """The beginning of a key as people write it: ``s3://bucket/`` for ``s3:/bucket/``."""
    return re.sub(r"^([a-z][a-z0-9+.-]+:/)(?!/)", r"\1/", beginning)


def key(path: str) -> str:
    """One text for all ways to write a path: ``/`` between parts, none of them empty or ``.``, ``..`` at most in front, NFC."""
    if path.isascii() and not any(odd in path for odd in ("\\", "//", "./")) and "/" not in (path[:1], path[-1:]):
        return path
    parts: list[str] = []
    for part in normalize("NFC", path).replace("\\", "/").split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def own_beginnings(source: str) -> list[str]:
    """What may stand before an ingested path because it is the source itself: its address, and every end of it.

    Of ``/data/cats``: ``data/cats/`` and ``cats/``; of ``s3://bucket/raw``: ``s3:/bucket/raw/``, ``bucket/raw/``, ``raw/``.
    """
    if not source:
        return []
    whole = [source] if _URL.fullmatch(source) else [os.path.abspath(source), os.path.realpath(source)]
    parts = [notations(one)[0].split("/") for one in whole if notations(one)]
    return list(dict.fromkeys("/".join(some[i:]) + "/" for some in parts for i in range(len(some))))


def uploaded_names(name: str) -> list[str]:
    """The cleaned name of an upload, as it lies in Label Studio and without the 8 digits before it; none for other paths."""
    found = _UPLOADED.search(f"/{name}")
    return [cleaned(found[1]), cleaned(found[2])] if found else []


def cleaned(name: str) -> str:
    """A file name as Label Studio stores an upload of it: spaces are ``_``; letters, digits, ``-``, ``_`` and ``.`` stay."""
    return _CLEANED.sub("", normalize("NFC", name).strip().replace(" ", "_"))


def tails(name: str) -> list[str]:
    """A key without its first part, without its first two, and so on."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]
