"""Where the registry is tested: SQLite and PostgreSQL, a local folder and an S3 server, all on this machine."""

import pathlib
import shutil
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from diorama.registry.registry import Registry

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from servers import Server, programs, scratch  # noqa: E402

PLACES = ("sqlite and folder", "postgresql and folder", "sqlite and s3")


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    """A quick scratch folder."""
    path = scratch()
    yield path
    shutil.rmtree(path, ignore_errors=True)


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
