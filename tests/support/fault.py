"""The faults that the proxy can inject.

Kinds of faults:

    status        answer ``code``/``s3code``; the server never sees the request
    drop_after    forward, wait for the real answer, then reset: the request did happen, but the client cannot know
    cut_request   reset both sides after ``after`` bytes of the request's body
    cut_response  relay ``after`` bytes of the answer's body, then reset
    hang          read the request, never answer
    stall         forward the request, stop reading it after ``after`` bytes of its body
    trickle       answer one byte every 0.1 s, without end
    corrupt       flip one byte, at offset ``after`` of the answer's body
    refuse        reset before anything is read
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass
class Fault:
    """What to do to which requests; ``method``, ``path`` and ``signer`` (regular expressions) empty: to all of them."""

    kind: str
    code: int = 500
    s3code: str = "InternalError"
    method: str = ""
    path: str = ""
    signer: str = ""  # access key that signed the request
    times: int = -1  # -1: always
    skip: int = 0  # leave the first ones alone
    probability: float = 1.0
    after: int = 0  # bytes
    hits: int = 0

    def concerns(self, method: str, target: str, authorization: str = "") -> bool:
        signed = re.search(self.signer, authorization) is not None
        return self.times != 0 and self.method in ("", method) and re.search(self.path, target) is not None and signed


def error_answer(fault: Fault, bodyless: bool, close: bool) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{fault.s3code}</Code><Message>injected</Message></Error>".encode()
    body = b"" if bodyless else body
    closing = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {fault.code} Injected\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n{closing}\r\n"
    return head.encode() + body
