"""A local S3 server for this project: ``python -m infra.s3.local start|stop|status`` (or ``make s3``).

``start`` makes random keys on the first run, starts SeaweedFS on 127.0.0.1 with its data in ``s3data``, creates a versioned
bucket, and writes the keys to ``.s3.env`` (for the pipeline) and, where the project uses DVC, to ``.dvc/config.local``
(remote ``s3local``). Both files are readable by you only and ignored by git.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import secrets
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import psutil
from configobj import ConfigObj  # type: ignore[import-untyped]

from infra.s3.weed import GRACE_S, Weed, remove_sockets
from ssgan import atomic

REGION = "us-east-1"
REMOTE = 'remote "s3local"'


class Local:
    """The server that belongs to the project in ``root``."""

    def __init__(self, root: Path, port: int = 8333, bucket: str = "ssgan") -> None:
        self.root, self.port, self.bucket = root, port, bucket
        self.data, self.env, self.pid_file = root / "s3data", root / ".s3.env", root / "s3data" / "server.json"

    def start(self) -> str:
        """Start the server unless it runs; what to do next."""
        if process := self.process():
            return f"already running (pid {process.pid})\n{self._advice()}"
        keys = self._keys()
        server = Weed(self.data, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], self.port).start()
        assert server.process
        created = psutil.Process(server.process.pid).create_time()
        self.pid_file.write_text(json.dumps({"pid": server.process.pid, "created": created, "port": self.port}))
        keys["AWS_ENDPOINT_URL"] = server.endpoint
        make_bucket(keys, self.bucket)
        write_private(self.env, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in keys.items()))
        self._write_dvc_remote(keys)
        return f"started (pid {server.process.pid})\n{self._advice()}"

    def stop(self) -> str:
        """Stop the server that ``start`` started, and nothing else."""
        process = self.process()
        if process is None:
            return "not running"
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(GRACE_S)
        remove_sockets(json.loads(self.pid_file.read_text())["port"])
        self.pid_file.unlink()
        return f"stopped (pid {process.pid}); the data stays in {self.data.name}"

    def status(self) -> str:
        """Is it running?"""
        process = self.process()
        return f"running (pid {process.pid})\n{self._advice()}" if process else "not running; start it with `make s3`"

    def process(self) -> psutil.Process | None:
        """The running server. The time of its start tells it from another process that got its number."""
        try:
            known = json.loads(self.pid_file.read_text())
            process = psutil.Process(known["pid"])
            ours = abs(process.create_time() - known["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if ours else None

    def _keys(self) -> dict[str, str]:
        """Keys of the last start, or new ones, as environment variables."""
        old = re.findall(r"^export (\w+)=(\S+)$", self.env.read_text(), re.MULTILINE) if self.env.exists() else []
        return {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",  # else clients may ask a cloud that is not there
        } | {name: value for name, value in old if "KEY" in name}

    def _write_dvc_remote(self, keys: dict[str, str]) -> None:
        """The remote ``s3local``, in the file that DVC never commits. Other settings of that file are kept."""
        if not (self.root / ".dvc").is_dir():
            return
        path = self.root / ".dvc" / "config.local"
        config = ConfigObj(str(path) if path.exists() else None, encoding="utf-8")
        config[REMOTE] = {
            "url": f"s3://{self.bucket}/dvc",
            "endpointurl": keys["AWS_ENDPOINT_URL"],
            "region": REGION,
            "access_key_id": keys["AWS_ACCESS_KEY_ID"],
            "secret_access_key": keys["AWS_SECRET_ACCESS_KEY"],
        }
        text = io.BytesIO()
        config.write(text)
        write_private(path, text.getvalue().decode())

    def _advice(self) -> str:
        dvc = "dvc push -r s3local\n" if (self.root / ".dvc").is_dir() else "(no .dvc here: run `dvc init`, then start again)\n"
        return (
            f"  source {self.env.name}                          keys and endpoint, for ssgan and dvc\n"
            f"  params.yaml: storage.url: s3://{self.bucket}/runs    checkpoints\n"
            f"  params.yaml: data.source: {{kind: s3, url: s3://{self.bucket}/raw}}\n  {dvc}"
        )


def make_bucket(keys: dict[str, str], bucket: str) -> None:
    """Create a versioned bucket; one that exists is kept. ``keys``: the AWS environment variables, with the endpoint."""
    client: Any = botocore.session.Session().create_client(
        "s3",
        region_name=REGION,
        endpoint_url=keys["AWS_ENDPOINT_URL"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        client.create_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at no moment otherwise."""
    with atomic.replaced(path) as part, os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.s3.local", description="A local S3 server for this project.")
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--root", type=Path, default=Path(), help="the project (default: here)")
    parser.add_argument("--port", type=int, default=8333, help="this port and the 4 after it, and the same + 10000")
    parser.add_argument("--bucket", default="ssgan")
    options = parser.parse_args(arguments)
    local = Local(options.root.resolve(), options.port, options.bucket)
    sys.stdout.write(f"local S3 server: {getattr(local, options.action)()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
