"""A fault injector between S3 clients and a server: plain HTTP, standard library only.

Bytes are relayed as they are and ``Host`` is never rewritten, so signatures made for the proxy's address stay valid.

    with FaultProxy(server.port) as proxy:
        proxy.add("status", code=503, s3code="SlowDown", method="PUT", path="/bucket/", times=2)
        proxy.add("cut_response", after=65536, method="GET", probability=0.3)
        ...
        proxy.log  # (method, target, kind of fault or None)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
import threading
from typing import Self

from tests.support.fault import Fault, error_answer
from tests.support.http_relay import CutError, Head, Sink, drop, expects, final_head, read_head, relay_body


class FaultProxy:
    """Listens on a free port of ``host`` and relays to ``upstream_port``, in a thread of its own."""

    def __init__(self, upstream_port: int, seed: int = 0, host: str = "127.0.0.1") -> None:
        self.upstream_port, self.host, self.port = upstream_port, host, 0
        self.faults: list[Fault] = []
        self.log: list[tuple[str, str, str | None]] = []
        self._random, self._lock, self._ready = random.Random(seed), threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    def add(self, kind: str, **options: object) -> Fault:
        """Inject one more kind of fault; the first one that concerns a request is used."""
        fault = Fault(kind, **options)  # type: ignore[arg-type]
        with self._lock:
            self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults, and an empty log."""
        with self._lock:
            self.faults.clear()
            self.log.clear()

    def requests(self, method: str, path: str = "") -> int:
        """How many such requests came in."""
        with self._lock:
            return sum(m == method and re.search(path, target) is not None for m, target, _ in self.log)

    def pick(self, method: str, target: str, authorization: str = "") -> Fault | None:
        """The fault that befalls this request."""
        with self._lock:
            fault = next((f for f in self.faults if f.concerns(method, target, authorization) and self._due(f)), None)
            if fault:
                fault.times -= fault.times > 0
                fault.hits += 1
            self.log.append((method, target, fault.kind if fault else None))
            return fault

    def _due(self, fault: Fault) -> bool:
        if self._random.random() >= fault.probability:
            return False
        fault.skip -= 1
        return fault.skip < 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the fault proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._client, self.host, 0, limit=1 << 20, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        try:
            await connection.serve()
        except (CutError, OSError, asyncio.IncompleteReadError):
            connection.reset()
        except asyncio.CancelledError:
            pass
        finally:
            connection.close()


class _Connection:
    """One client's connection and, once needed, the one to the server."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.up_reader: asyncio.StreamReader | None = None
        self.up_writer: asyncio.StreamWriter | None = None

    async def serve(self) -> None:
        while head := await read_head(self.reader):
            method, target = head.words[:2]
            fault = self.proxy.pick(method, target, head.headers.get("authorization", ""))
            kind = fault.kind if fault else None
            if kind == "refuse":
                raise CutError
            if fault and kind in ("status", "hang", "trickle"):
                keep = await self._answer_alone(head, fault)
            else:
                keep = await self._relay(head, fault)
            if not keep:
                return

    def reset(self) -> None:
        for writer in (self.writer, self.up_writer):
            if writer is None:
                continue
            with contextlib.suppress(OSError, AttributeError):
                linger = struct.pack("ii", 1, 0)  # close sends RST instead of FIN
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    def close(self) -> None:
        for writer in (self.writer, self.up_writer):
            if writer is not None and not writer.is_closing():
                writer.close()

    async def _answer_alone(self, head: Head, fault: Fault) -> bool:
        """Answer without asking the server. True: the connection can go on."""
        expecting = expects(head)
        if not expecting:
            await relay_body(self.reader, head.headers, drop)
        if fault.kind == "hang":
            await asyncio.sleep(3600)
        if fault.kind == "trickle":
            await self._trickle()
        self.writer.write(error_answer(fault, bodyless=head.words[0] == "HEAD", close=expecting))
        await self.writer.drain()
        return not expecting

    async def _trickle(self) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
            self.writer.write(bytes([byte]))
            await self.writer.drain()
            await asyncio.sleep(0.1)

    async def _relay(self, head: Head, fault: Fault | None) -> bool:
        """Pass request and answer on, with what the fault does to them. True: the connection can go on."""
        answer = await self._relay_request(head, fault)
        bodyless = head.words[0] == "HEAD" or answer.words[1] in ("204", "304")
        closing = "close" in answer.headers.get("connection", "").lower()
        assert self.up_reader
        if fault and fault.kind == "drop_after":
            if not bodyless:
                await relay_body(self.up_reader, answer.headers, drop, until_close=closing)
            raise CutError
        self.writer.write(answer.raw)
        if not bodyless:
            await relay_body(self.up_reader, answer.headers, self._down(fault), until_close=closing)
        await self.writer.drain()
        return not closing and not (expects(head) and int(answer.words[1]) >= 300)

    async def _relay_request(self, head: Head, fault: Fault | None) -> Head:
        """Send the request; the head of the server's final answer."""
        if self.up_writer is None or self.up_writer.is_closing():
            self.up_reader, self.up_writer = await asyncio.open_connection("127.0.0.1", self.proxy.upstream_port, limit=1 << 20)
        assert self.up_reader
        self.up_writer.write(head.raw)
        await self.up_writer.drain()
        if expects(head):  # relay the interim answer before the body flows
            interim = await final_head(self.up_reader, interim=True)
            if interim.words[1] != "100":
                return interim
            self.writer.write(interim.raw)
        await relay_body(self.reader, head.headers, self._up(fault))
        if fault and fault.kind == "cut_request":
            raise CutError
        return await final_head(self.up_reader)

    def _up(self, fault: Fault | None) -> Sink:
        sent = 0

        async def sink(data: bytes, is_data: bool) -> None:
            nonlocal sent
            assert self.up_writer
            if fault and fault.kind in ("cut_request", "stall") and is_data and sent + len(data) >= fault.after:
                self.up_writer.write(data[: max(0, fault.after - sent)])
                await self.up_writer.drain()
                if fault.kind == "stall":
                    await asyncio.sleep(3600)
                raise CutError
            sent += len(data) if is_data else 0
            self.up_writer.write(data)
            await self.up_writer.drain()

        return sink

    def _down(self, fault: Fault | None) -> Sink:
        got = 0

        async def sink(data: bytes, is_data: bool) -> None:
            nonlocal got
            here = fault is not None and is_data and got <= fault.after < got + len(data)
            if here and fault and fault.kind == "cut_response":
                self.writer.write(data[: fault.after - got])
                await self.writer.drain()
                await asyncio.sleep(0.05)  # a reset overtakes what the client has not read yet
                raise CutError
            if here and fault and fault.kind == "corrupt":
                at = fault.after - got
                data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            got += len(data) if is_data else 0
            self.writer.write(data)
            await self.writer.drain()

        return sink
