"""S3, or anything that speaks it: objects, and what its failures mean.

Endpoint, region and credentials come from the usual AWS environment or profile, never from the URL, so nothing secret
gets into params.yaml, logs or a pickled store. Requests are not retried here: ``retries.py`` does it, and reports it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions as boto
import s3fs
from aiohttp import ClientError as HttpError
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync

from ssgan.storage.retries import FaultVerdict, MissingError, RetryLimits, judge_local

CHECK_KEYS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
CHECK_ENDPOINT = "check that the server runs, and AWS_ENDPOINT_URL"
CHECK_REGION = "set AWS_REGION to the bucket's region"

SLOW = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "503", "429"}
# 4xx codes of faults on the way rather than refusals: the same request may succeed the next time
TRANSIENT = {
    "RequestTimeout",
    "BadDigest",
    "InvalidDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "NoSuchUpload",
    "InvalidPart",
    "OperationAborted",
    "ConditionalRequestConflict",
    "TemporaryRedirect",
}
# code: (reason, remedy)
REFUSED = {
    "NoSuchBucket": ("the bucket does not exist", "create it, or change `storage.url`"),
    "InvalidAccessKeyId": ("the access key is unknown", CHECK_KEYS),
    "SignatureDoesNotMatch": ("the secret key is wrong", CHECK_KEYS),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "synchronize it (NTP)"),
    "AuthorizationHeaderMalformed": ("the region is wrong", CHECK_REGION),
    "PermanentRedirect": ("the bucket lies in another region", CHECK_REGION),
    "IllegalLocationConstraintException": ("the region is wrong", CHECK_REGION),
}
# Throttling has been seen disguised as a denial, and credentials get rotated: try once more, with fresh credentials.
DENIED = {"AccessDenied", "Forbidden", "403", "InvalidToken", "AllAccessDisabled"}
DENIED_ALLOWED = 1
# Whoever renews them may be some seconds late.
EXPIRED = {"ExpiredToken", "TokenRefreshRequired", "RequestExpired"}
EXPIRED_ALLOWED = 4
RENEW = "renew them (the role, the profile or the credentials file of that machine), then run the same command again"

LOST = (ConnectionError, EOFError, HttpError, boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError)
SILENT = (TimeoutError, boto.ReadTimeoutError, boto.ConnectTimeoutError)
MANGLED = (boto.ChecksumError, boto.FlexibleChecksumError, ResponseParserError)
NO_KEYS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.ProfileNotFound)


class FileSystem(s3fs.S3FileSystem):  # type: ignore[misc]  # s3fs has no types
    """s3fs whose requests cannot hang.

    botocore asks "Expect: 100-continue" before every body, and aiohttp waits for the answer without any timeout: a server
    that accepts connections but is dead inside would hold an upload forever.
    """

    async def set_session(self, *args: Any, **kwargs: Any) -> Any:
        client = await super().set_session(*args, **kwargs)
        client.meta.events.register_last("before-call.s3", _send_body_at_once, unique_id="ssgan-send-body-at-once")
        return client


def _send_body_at_once(params: dict[str, Any], **_: Any) -> None:
    params["headers"].pop("Expect", None)


def _socket_with_timeout(read_timeout_s: float) -> Callable[[Any], socket.socket]:
    """Makes sockets that notice a server which stops reading: aiohttp has no timeout for writes, the kernel has."""

    def make(address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(read_timeout_s * 1000))
        return made

    return make


def s3_filesystem(limits: RetryLimits, attempts: int, kind: type[FileSystem] = FileSystem) -> FileSystem:
    """A file system of its own (no shared instance: a forked child or new credentials must not meet an old session).

    ``attempts`` of a request are botocore's own, unreported ones; s3fs adds none, for they would multiply.
    """
    fs = kind(
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": limits.connect_timeout_s,
            "read_timeout": limits.read_timeout_s,
            "max_pool_connections": 32,  # ingest reads with 16 threads
            "retries": {"total_max_attempts": attempts, "mode": "standard"},
            "connector_args": {"socket_factory": _socket_with_timeout(limits.read_timeout_s)},
        },
    )
    fs.retries = 1
    return fs


class S3Objects:
    """The objects below ``s3://bucket/root``. Methods raise the errors of botocore; a missing object is MissingError."""

    def __init__(self, url: str, limits: RetryLimits) -> None:
        self.url, self.limits = url, limits
        self.bucket, _, self.root = url.removeprefix("s3://").strip("/").partition("/")
        self._fs: s3fs.S3FileSystem | None = None
        self._pid = 0

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_fs": None, "_pid": 0}  # sessions stay where they were opened

    def names(self, prefix: str) -> dict[str, int]:
        """Name and size in bytes of every object whose name starts with ``prefix``."""
        found: dict[str, int] = {}
        page: dict[str, str] = {}
        while True:
            answer = self._ask("list_objects_v2", Prefix=self._key(prefix), **page)
            for entry in answer.get("Contents", []):
                found[self._name(entry["Key"])] = entry["Size"]
            if not answer.get("IsTruncated"):
                return found
            page = {"ContinuationToken": answer["NextContinuationToken"]}

    def upload(self, local: Path, name: str) -> None:
        """Store a file. S3 shows an object only when all of it has arrived."""
        self._run(self._session()._put_file, str(local), self._path(name), size=local.stat().st_size)

    def download(self, name: str, local: Path, size: int) -> None:
        """Fetch an object of about ``size`` bytes into the file ``local``."""
        self._run(self._session()._get_file, self._path(name), str(local), size=size)

    def write(self, name: str, data: bytes) -> None:
        """Store a few bytes."""
        self._ask("put_object", Key=self._key(name), Body=data)

    def create(self, name: str, data: bytes) -> bool:
        """Store a few bytes unless the object exists (a conditional write). Returns whether it did."""
        try:
            self._ask("put_object", Key=self._key(name), Body=data, IfNoneMatch="*")
        except boto.ClientError as error:
            if _code(error) in ("PreconditionFailed", "412"):
                return False
            if _code(error) not in ("NotImplemented", "501"):
                raise
            self.write(name, data)  # as on servers that ignore the condition: whoever cannot do without it looks for that
        return True

    def read(self, name: str) -> bytes:
        """Fetch a small object."""
        data: bytes = self._run(self._read, self._key(name))
        return data

    def remove(self, name: str) -> None:
        """Remove an object; one that does not exist is no error."""
        self._ask("delete_object", Key=self._key(name))

    def renew(self) -> None:
        """Read the credentials anew before the next request."""
        self._fs = None

    def judge(self, error: BaseException) -> FaultVerdict | None:
        """Verdict on a failure; None for what is no failure of storage (a bug)."""
        return judge_s3(error) or judge_local(error)

    def _key(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self.root}/") if self.root else key

    def _path(self, name: str) -> str:
        return f"{self.bucket}/{self._key(name)}"

    def _session(self) -> s3fs.S3FileSystem:
        if self._fs is None or self._pid != os.getpid():
            self._fs, self._pid = s3_filesystem(self.limits, attempts=1), os.getpid()
        return self._fs

    async def _read(self, key: str) -> bytes:
        answer = await self._session()._call_s3("get_object", Bucket=self.bucket, Key=key)
        async with answer["Body"] as body:
            data: bytes = await body.read()
            return data

    def _ask(self, method: str, **kwargs: Any) -> Any:
        return self._run(self._session()._call_s3, method, Bucket=self.bucket, **kwargs)

    def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, size: int = 0, **kwargs: Any) -> Any:
        """Run a coroutine, with an end: bytes that trickle trip no socket timeout."""
        longest_s = self.limits.connect_timeout_s + 2 * self.limits.read_timeout_s + size / self.limits.slowest_bytes_per_s
        try:
            return sync(self._session().loop, function, *args, timeout=longest_s, **kwargs)
        except Exception as error:
            answer = refusal(error)
            if answer is None:
                raise
            if _code(answer) in ("NoSuchKey", "404"):
                raise MissingError(str(error)) from error
            raise answer from None


def judge_s3(error: BaseException) -> FaultVerdict | None:
    """Verdict on an error of botocore or of the connection; None for any other."""
    if isinstance(error, boto.ClientError):
        return _judge_answer(error)
    if isinstance(error, NO_KEYS):
        return FaultVerdict(f"there are no usable credentials ({error})", CHECK_KEYS, allowed=0, kind="permanent")
    if isinstance(error, MANGLED):
        return FaultVerdict(f"what arrived was damaged on the way ({type(error).__name__})", "check the network or the proxy")
    if isinstance(error, SILENT):
        return FaultVerdict(f"storage does not answer in time ({type(error).__name__})", CHECK_ENDPOINT)
    if isinstance(error, boto.EndpointConnectionError):
        return FaultVerdict("storage cannot be reached, or hung up", CHECK_ENDPOINT)
    if isinstance(error, LOST):
        return FaultVerdict(f"the connection to storage was lost ({type(error).__name__})", CHECK_ENDPOINT)
    if isinstance(error, boto.BotoCoreError):
        return FaultVerdict(str(error), "check the AWS settings of this environment", allowed=0, kind="permanent")
    return None


def _judge_answer(error: boto.ClientError) -> FaultVerdict:
    """Verdict on an error that the server answered with."""
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    answer = f"{status} {code}" if str(status) != code else code
    if code in REFUSED:
        reason, remedy = REFUSED[code]
        return FaultVerdict(f"{reason} ({answer})", remedy, allowed=0, kind="permanent")
    if code in EXPIRED:
        return FaultVerdict(f"the credentials have expired ({answer})", RENEW, EXPIRED_ALLOWED, "expired")
    if code in DENIED:
        return FaultVerdict(f"access was denied ({answer})", "grant {needs} to these credentials", DENIED_ALLOWED, "denied")
    if code in SLOW or status in (429, 503):
        return FaultVerdict(f"storage is slow ({answer})", "try again later")
    if code in TRANSIENT or status >= 500:
        return FaultVerdict(f"storage failed ({answer})", "look into the server's log")
    message = error.response.get("Error", {}).get("Message", "")
    reason = f"storage refused the request ({answer}: {message})"
    return FaultVerdict(reason, "check `storage.url`", allowed=0, kind="permanent")


def refusal(error: BaseException) -> boto.ClientError | None:
    """The server's own answer behind an error of s3fs, which translates answers to OSErrors."""
    return next((link for link in _chain(error) if isinstance(link, boto.ClientError)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
