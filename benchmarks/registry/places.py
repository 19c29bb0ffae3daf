"""Servers for the benchmark, started and stopped here: PostgreSQL from the distribution's packages, and an S3 server.

The S3 server is moto, which keeps objects in its own memory and is written in Python: what is measured against it is
what Diorama and Arrow do, and how many requests they need, not how quick S3 is. It runs in a process of its own.
"""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "registry"))


@contextlib.contextmanager
def postgresql() -> Iterator[str | None]:
    """The URL of an empty database; None where PostgreSQL or its driver is not installed."""
    from servers import Server, disk, programs

    with contextlib.suppress(ImportError):
        import psycopg  # noqa: F401

        if (found := programs()) is not None:
            home = disk()
            server = Server(found, home, flush=True)
            try:
                yield server.database()
            finally:
                server.stop()
                shutil.rmtree(home, ignore_errors=True)
            return
    yield None


@contextlib.contextmanager
def bucket() -> Iterator[str | None]:
    """The URL of an empty bucket; None where moto is not installed."""
    try:
        import boto3
        import moto.server  # noqa: F401
    except ImportError:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys).create_bucket(Bucket="registry")
        yield f"s3://test:test@registry/r?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
    finally:
        server.kill()
        server.wait()


def _wait(port: int, seconds: float = 60.0) -> None:
    """Until something listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
