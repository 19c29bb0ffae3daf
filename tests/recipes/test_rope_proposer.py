"""Grasps proposed by a chat endpoint: a local stub takes the place of a model, so only the wire is tested."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import jax
import numpy as np
import pytest
from PIL import Image

from diorama.core import filter_jit
from diorama.core.errors import ConfigError, DataError
from diorama.envs.rope.execution import Kernel
from diorama.envs.rope.tasks.drawing import Camera, placed
from diorama.envs.rope.tasks.regrasping import Regrasping
from diorama.envs.rope.tasks.unknotting import Unknotting
from diorama.recipes.rope_agent import candidates
from diorama.recipes.rope_proposer import ByModel
from diorama.recipes.rope_unknotting import DrawOut


class Stub(HTTPServer):
    """Keeps what it was asked, and answers what it is told."""

    answer = "Place 3, beyond the crossing."

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reply)
        self.asked: list[tuple[str, str | None, dict]] = []


class Reply(BaseHTTPRequestHandler):
    """One answer of `Stub`."""

    server: Stub

    def do_POST(self) -> None:
        """As the chat endpoint of OpenAI answers."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": self.server.answer}}]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A running one."""
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_chooses_among_numbered_places(stub: Stub) -> None:
    world = Regrasping(Unknotting(), Kernel(1))
    state = filter_jit(world.reset)(world.spec.scenario.default(), jax.random.key(1))
    goals = [DrawOut(np.array([12, 15]), np.eye(3)[:2], np.ones(2), 0, np.ones(46, bool), 0.46)]
    url = f"http://127.0.0.1:{stub.server_port}/v1/"
    chooser, draw = ByModel(url, "some-model", "secret", 5.0), np.random.default_rng(0)
    assert chooser(world, state, goals, draw) == candidates(world, state, 3)[3]
    ((path, token, body),) = stub.asked
    assert (path, token, body["model"]) == ("/v1/chat/completions", "Bearer secret", "some-model")
    text, image = body["messages"][0]["content"]
    assert "draw the tail that ends near place 0 out of the knot." in text["text"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["image_url"]["url"].split(",")[1]))))
    assert picture.shape == (384, 512, 3)
    red = (picture[..., 0] > 140) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
    assert red.sum() > 50
    stub.answer = "the blue one"
    with pytest.raises(DataError, match="some-model answered 'the blue one', which is no number below"):
        chooser(world, state, goals, draw)
    with pytest.raises(DataError, match="No answer from .*; start the endpoint, or choose by authority"):
        ByModel("http://127.0.0.1:9", "some-model", timeout=0.5)(world, state, goals, draw)
    with pytest.raises(ConfigError, match="no web address"):
        ByModel("file:///etc", "some-model")


def test_points_are_where_the_picture_has_them() -> None:
    camera = Camera((0.0, -1e-6, 1.0), (0.0, 0.0, 0.0), 90.0, 200, 100)
    points = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])
    np.testing.assert_allclose(placed(camera, points), [[100, 50], [125, 50], [100, 25]], atol=0.01)
