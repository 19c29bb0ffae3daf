"""A policy is asked what it does without pictures: one that looks loses, one that does not look is found out."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, Policy
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import ScenarioSet
from diorama.policies.sightless import GREY, sightless
from diorama.recipes.auditing import audit_evaluation
from diorama.recipes.book import Book, Places
from diorama.recipes.candidates import find_candidate
from diorama.recipes.probing import probe
from diorama.recipes.protocols import Trial, carry_out, register
from diorama.recipes.tasks import find_task
from diorama.recipes.worlds import find_world
from diorama.registry.registry import Registry

LENGTH, COUNT = 4, 12
OWN = """
import gymnasium
import numpy as np

class Sides(gymnasium.Env):
    '''The picture is bright where it is good to go; the number says nothing of it.'''
    observation_space = gymnasium.spaces.Dict({
        "state": gymnasium.spaces.Box(-9, 9, (1,), np.float32),
        "view": gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8),
    })
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_fps": 10}

    def shown(self):
        view = np.zeros((8, 8, 1), np.uint8)
        view[:, 4:] = 255 if self.side > 0 else 0
        view[:, :4] = 0 if self.side > 0 else 255
        return {"state": np.array([self.place], np.float32), "view": view}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.side, self.place = self.np_random.choice([-1, 1]), 0.0
        return self.shown(), {}

    def step(self, action):
        self.place += float(action[0])
        return self.shown(), float(action[0]) * self.side, False, False, {}

def looks():
    def act(observation):
        view = observation["view"].astype(float)
        return np.sign(view[:, :, 4:].mean(axis=(1, 2)) - view[:, :, :4].mean(axis=(1, 2)))
    return act

def walks():
    return lambda observation: np.ones((len(observation["state"]), 1))
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """What C13 measured of the policy that looks and of the one that does not, and the first one's audit."""
    folder = Path(tmp_path_factory.mktemp("sides"))
    (folder / "sides.py").write_text(OWN)
    task = find_task(f"{folder / 'sides.py'}:Sides")
    with Book(Registry.open(folder / "registry"), Places(folder / "registry")) as book:
        policies = [find_candidate(task, f"{folder / 'sides.py'}:{name}", book=book) for name in ("looks", "walks")]
        world = find_world(task, f"{folder / 'sides.py'}:Sides", book=book)
        protocol = Protocol((task.headline,), episodes=COUNT, batch=COUNT)
        trial = Trial(task, policies, [world], ScenarioSet(task.name, tuple(range(COUNT))), protocol, LENGTH)
        store = Store(folder / "items")
        ids = register(book, trial, carry_out(trial, store, book=book))
        measured = [
            next(
                part
                for part in probe(book, one, episodes=COUNT, store=store, policy=policy, world=world)
                if part.check == "C13"
            )
            for one, policy in zip(ids, policies, strict=True)
        ]
        yield *measured, audit_evaluation(book, ids[0], register=False).audit


def test_who_looks_is_worth_what_the_pictures_are(parts) -> None:
    looks, _, audit = parts
    found = looks.measures["gain over no pictures"]
    assert found.value == pytest.approx(LENGTH) and found.count == COUNT  # Grey shows no side: nobody moves.
    assert "gain over no pictures" in audit.outcome("C13").sentence


def test_who_does_not_look_is_not_praised_for_it(parts) -> None:
    _, walks, _ = parts
    assert "gain over no pictures" not in walks.measures
    assert walks.missing["pictures"] == "It acts the same when all pictures are grey: it looks at none."
    assert not np.isclose(walks.measures["gain over blind"].value, LENGTH)


class Brightness(Policy):
    """Acts by how bright the picture is, and by the number beside it."""

    def init(self, spec):
        return None

    def act(self, memory, observation, key):
        return observation["view"].mean()[None] + observation["state"], None


def test_a_policy_in_jax_sees_grey_and_all_else_as_it_is() -> None:
    spec = EnvSpec(
        "sides", {"state": ArraySpec((1,)), "view": ArraySpec((8, 8, 1), dtype="uint8")}, ArraySpec((1,)), 0.1
    )
    dark = sightless(Brightness(), ("view",))
    shown = {"state": jnp.array([0.5]), "view": jnp.full((8, 8, 1), 7, jnp.uint8)}
    action, _ = jax.jit(dark.act)(dark.init(spec), shown, jax.random.key(0))
    assert action.tolist() == [GREY + 0.5]
