"""Grasps proposed by a vision-language model behind an OpenAI-compatible endpoint. Optional: the agent needs none.

The model sees the rope from above with numbered balls on vertices that can be grasped, as in arXiv 2606.04206 where
choosing among numbered candidates was the best of three ways to ask, and answers with a number.
"""

import base64
import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from diorama.core.errors import ConfigError, DataError
from diorama.envs.rope.tasks.drawing import Camera, placed, render
from diorama.envs.rope.tasks.regrasping import GraspState, Regrasping
from diorama.recipes.rope_agent import Chooser, candidates
from diorama.recipes.rope_subgoals import SubGoal

_EVERY = 3
_TASK = (
    "A rope lies on a floor and is seen from above. A robot has one gripper and wants to {task}. "
    "Next it wants to {wants}. Dark balls with numbers are places where it can grasp. "
    "Where should it grasp? Answer with one number."
)


@dataclass
class ByModel(Chooser):
    """Asks the chat endpoint at ``url`` (as ``http://localhost:8000/v1``) for one of the numbered places.

    ``key`` goes along as a bearer token if it is not empty. Raises `ConfigError` for another kind of address, and
    `DataError` where nobody answers within ``timeout`` [s] or the answer names no place.
    """

    url: str
    model: str
    key: str = ""
    timeout: float = 60.0
    task: str = "undo the knot, then draw the ends of the rope apart"

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"The endpoint {self.url!r} is no web address; give one that begins with http.")

    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """See `Chooser`."""
        there = candidates(world, state, _EVERY)
        near = [int(np.argmin(np.abs(there - goal.end))) for goal in goals]
        wants = " or ".join(goal.said(place) for goal, place in zip(goals, near, strict=True))
        picture = numbered(world, state, there)
        said = self._asked(_TASK.format(task=self.task, wants=wants), picture)
        found = re.search(r"\d+", said)
        if found is None or int(found.group()) >= len(there):
            raise DataError(
                f"{self.model} answered {said!r}, which is no number below {len(there)}; ask another model."
            )
        return int(there[int(found.group())])

    def _asked(self, text: str, picture: np.ndarray) -> str:
        """What the model says."""
        written = io.BytesIO()
        Image.fromarray(picture).save(written, "PNG")
        shown = "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": shown}}]
        body = {"model": self.model, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                return str(json.load(reply)["choices"][0]["message"]["content"])
        except (urllib.error.URLError, TimeoutError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DataError(
                f"No answer from {address} ({error}); start the endpoint, or choose by authority."
            ) from error


def numbered(world: Regrasping, state: GraspState, places: np.ndarray) -> np.ndarray:
    """The rope from above [384, 512, 3], with a numbered ball on each of these vertices."""
    rope = np.asarray(state.scene.body.position)
    x, y, _ = rope.mean(0).tolist()
    camera = Camera((x, y - 0.02, 1.0), (x, y, 0.0), 40.0, 512, 384, 1)
    picture = render(world.task, state.scene, rope, camera, tuple((int(place),) for place in places))
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for number, (column, row) in enumerate(placed(camera, rope[places])):
        pen.text(
            (float(column) + 6.0, float(row) - 12.0),
            str(number),
            fill=(180, 0, 0),
            stroke_width=2,
            stroke_fill=(255, 255, 255),
        )
    return np.asarray(image)
