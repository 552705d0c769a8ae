"""Relaying of HTTP/1.1 messages, byte for byte: what the fault proxy needs of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

CHUNK = 1 << 16
Sink = Callable[[bytes, bool], Awaitable[None]]  # (bytes, are they part of the body's data?)


class CutError(Exception):
    """End this connection with a reset."""


class Head(NamedTuple):
    raw: bytes
    words: list[str]  # of the first line
    headers: dict[str, str]


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = raw[:-4].decode("latin1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(raw, first.split(" ", 2), {name.strip().lower(): value.strip() for name, _, value in pairs})


async def final_head(reader: asyncio.StreamReader, interim: bool = False) -> Head:
    while head := await read_head(reader):
        if interim or head.words[1] != "100":
            return head
    raise CutError


async def relay_body(reader: asyncio.StreamReader, headers: dict[str, str], sink: Sink, until_close: bool = False) -> None:
    """Pass one message's body to ``sink``."""
    if "chunked" in headers.get("transfer-encoding", ""):
        await _relay_chunks(reader, sink)
    elif "content-length" in headers:
        await _relay_bytes(reader, int(headers["content-length"]), sink)
    elif until_close:
        while data := await reader.read(CHUNK):
            await sink(data, True)


async def _relay_bytes(reader: asyncio.StreamReader, left: int, sink: Sink) -> None:
    while left:
        data = await reader.read(min(left, CHUNK))
        if not data:
            raise CutError
        left -= len(data)
        await sink(data, True)


async def _relay_chunks(reader: asyncio.StreamReader, sink: Sink) -> None:
    size = -1
    while size:
        line = await reader.readline()
        await sink(line, False)
        size = int(line.split(b";")[0], 16)
        await _relay_bytes(reader, size, sink)
        if size:
            await sink(await reader.readexactly(2), False)
    while (line := await reader.readline()) not in (b"\r\n", b""):  # trailers
        await sink(line, False)
    await sink(line, False)


async def drop(data: bytes, is_data: bool) -> None:
    """The sink for what nobody shall see."""


def expects(head: Head) -> bool:
    return head.headers.get("expect", "").lower() == "100-continue"
