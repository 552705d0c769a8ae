"""A small AWS on loopback (ministack): CloudFormation, IAM and S3 that check rights, over TLS as the bucket demands."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import botocore.session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # the emulator's root, who may do everything
Keys = dict[str, str]  # credentials, as environment variables


class Cloud:
    """One emulator with its own certificate. ``with Cloud(folder) as cloud: cloud.client("s3", ROOT_KEYS)``"""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self.certificate, key = make_certificate(folder)
        self._session = botocore.session.Session()  # one, for it reads large descriptions of services
        self._environment = {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",  # its default is every interface
            "DOCKER_HOST": f"unix://{folder}/none",  # it must not look for containers
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "MINISTACK_SSL_CERT": str(self.certificate),
            "MINISTACK_SSL_KEY": str(key),
            "USE_SSL": "1",
            "SERVICES": "cloudformation,ec2,ecr,iam,s3,sts",
        }

    def __enter__(self) -> Self:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | self._environment
        command = [sys.executable, "-c", "from ministack.app import main; main()"]
        with (self.folder / "ministack.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"ministack did not start; see {self.folder}/ministack.log")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def environment(self, keys: Keys) -> Keys:
        """What a process needs to be the holder of ``keys`` in this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            **keys,
        }

    def client(self, service: str, keys: Keys) -> Any:
        """A client of botocore."""
        return self._session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            verify=str(self.certificate),
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        )

    def deploy(self, name: str, template: Path, without: tuple[str, ...] = (), **parameters: str) -> dict[str, str]:
        """Make a stack, but for the resources ``without`` that the emulator does not know; its outputs."""
        body = read_template(template)
        for resource in without:
            del body["Resources"][resource]
        client = self.client("cloudformation", ROOT_KEYS)
        client.create_stack(
            StackName=name,
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def assume(self, role_arn: str, who: Keys) -> Keys:
        """Credentials of a role, taken on by ``who``."""
        answer = self.client("sts", who).assume_role(RoleArn=role_arn, RoleSessionName="test")
        names = {
            "AWS_ACCESS_KEY_ID": "AccessKeyId",
            "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
            "AWS_SESSION_TOKEN": "SessionToken",
        }
        return {variable: answer["Credentials"][name] for variable, name in names.items()}


def read_template(path: Path) -> dict[str, Any]:
    """A CloudFormation template; its short forms such as !Ref as mappings."""
    from cfnlint.decode import cfn_yaml  # loads sympy and networkx: 1.5 s for everyone who collects tests

    template: dict[str, Any] = json.loads(json.dumps(cfn_yaml.load(str(path))))
    return template


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.touch(0o600)
    private.write_bytes(key.private_bytes(*form))
    return certificate, private
