"""Where the registry is tested: SQLite and PostgreSQL, a local folder and an S3 server, all on this machine."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator

import pytest

from diorama.registry.registry import Registry

MEMORY = pathlib.Path("/dev/shm")
"""Where a flush costs nothing, so that tests spend their time on what they test."""
PLACES = ("sqlite and folder", "postgresql and folder", "sqlite and s3")


def scratch() -> pathlib.Path:
    """A new folder, in memory where the system has such a place."""
    return pathlib.Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    """A quick scratch folder."""
    path = scratch()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def programs() -> pathlib.Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    return pathlib.Path(found).parent if found else None


class Server:
    """A PostgreSQL server on a socket in a scratch folder, as a user that it accepts to run as."""

    def __init__(self, programs: pathlib.Path, home: pathlib.Path) -> None:
        self.programs, self.home = programs, home
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(home, "postgres", "postgres")
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "diorama", "--no-sync", "--no-instructions")
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", f"-k {home} -h '' -F", "start")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, cwd=self.home, check=True, stdout=subprocess.DEVNULL, timeout=60, **self.user)

    def database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"d{uuid.uuid4().hex}"
        with psycopg.connect(f"host={self.home} user=diorama dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://diorama@/{name}?host={self.home}"

    def stop(self) -> None:
        """Stop the server at once."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running PostgreSQL server; skips where PostgreSQL is not installed."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    home = scratch()
    server = Server(found, home)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The URL of a bucket on an S3 server in this process, without a prefix: ``start?end``."""
    moto = pytest.importorskip("moto.server")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    client.create_bucket(Bucket="registry")
    client.close()
    yield f"s3://test:test@registry/PREFIX?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
    server.stop()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, folder: pathlib.Path) -> dict:
    """The arguments of `Registry.open` for a new registry, for each kind of place."""
    options: dict = {"place": folder}
    if "postgresql" in request.param:
        options["database"] = request.getfixturevalue("postgresql").database()
    if "s3" in request.param:
        options["blobs"] = request.getfixturevalue("bucket").replace("PREFIX", uuid.uuid4().hex)
    return options


@pytest.fixture
def registry(place: dict) -> Iterator[Registry]:
    """An empty registry in each kind of place."""
    with Registry.open(**place) as opened:
        yield opened


@pytest.fixture
def local(folder: pathlib.Path) -> Iterator[Registry]:
    """An empty registry with SQLite and a folder."""
    with Registry.open(folder) as opened:
        yield opened


def wait_for(condition, seconds: float = 30.0) -> None:
    """Wait until ``condition()`` holds; raises `AssertionError` where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
