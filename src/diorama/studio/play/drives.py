"""One world under a player's hands: a batch of one, of any kind of world, with compiled programs that all share."""

import abc
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core import Env, EnvSpec, HostEnv, SpecError, filter_jit
from diorama.imagine.world import Imagined
from diorama.models.diffusion import Diffusion
from diorama.models.rssm import RSSM
from diorama.studio.play.push_t import completed, is_push_t, placed
from diorama.studio.play.scenes import Observation, Scene, Start

# Two's complement of 31 bits: what a JAX key takes as a seed.
_SEED_BITS = 0x7FFFFFFF


class Drive(abc.ABC):
    """A world that is in one state at a time. Not to be used by two threads at once."""

    spec: EnvSpec

    @abc.abstractmethod
    def begin(self, start: Start) -> Scene:
        """The first scene of play from this start. Raises `SpecError` where the world cannot begin there."""

    @abc.abstractmethod
    def step(self, action: np.ndarray) -> Scene:
        """The scene one control period later; ``action`` [A] in the units and bounds of the spec."""


@final
class HostDrive(Drive):
    """A `HostEnv` of its own. ``real``: it begins from the seed of a start, where there is one, as reality does."""

    def __init__(self, env: HostEnv, real: bool) -> None:
        self.spec = env.spec
        self._env, self._real = env, real
        self._state: Any = None

    def begin(self, start: Start) -> Scene:
        """See `Drive`: from the seed, else from the poses that were seen."""
        table = is_push_t(self.spec)
        if start.seed is not None and (self._real or not table):
            self._state = self._env.reset(np.array([start.seed]), self.spec.scenario.default())
        elif table:
            self._state = placed(self._env, start.last)
        else:
            raise SpecError(f"{self.spec.name!r} can only begin from a seed; choose one as the start.")
        return self._scene(0.0)

    def step(self, action: np.ndarray) -> Scene:
        """See `Drive`."""
        before, rows = self._state, action[None]
        self._state = self._env.step(before, rows)
        return self._scene(float(self._env.reward(before, rows, self._state)[0]))

    def _scene(self, reward: float) -> Scene:
        seen = {name: value[0] for name, value in self._env.observe(self._state).items()}
        return Scene(seen, reward, bool(self._env.terminal(self._state)[0]))


@final
class JaxDrive(Drive):
    """A simulator in JAX; it begins from a seed."""

    def __init__(self, env: Env) -> None:
        self.spec = env.spec
        self._env = env
        self._state: Any = None
        self._key, self._number = jax.random.key(0), 0

    def begin(self, start: Start) -> Scene:
        """See `Drive`."""
        if start.seed is None:
            raise SpecError(f"{self.spec.name!r} can only begin from a seed; choose one as the start.")
        self._key, self._number = jax.random.key(start.seed & _SEED_BITS), 1
        scenario = {name: jnp.asarray(value) for name, value in self.spec.scenario.default().items()}
        self._state, (seen, end) = _reset(self._env, scenario, self._key)
        return Scene(_numpy(seen), 0.0, bool(end))

    def step(self, action: np.ndarray) -> Scene:
        """See `Drive`."""
        given = self._env, self._state, jnp.asarray(action), self._key, np.uint32(self._number)
        self._number += 1
        self._state, (seen, reward, end) = _advance(*given)
        return Scene(_numpy(seen), float(reward), bool(end))


@final
class ModelDrive(Drive):
    """A learned world. It begins from what was seen; where chance drives it, it shows ``draws`` futures of a step."""

    def __init__(self, world: Imagined, draws: int) -> None:
        self.spec = world.spec
        self._world = world
        self._draws = draws if chancy(world) else 1
        self._scale = _scale_of(world)
        self._state: Any = None
        self._key, self._number = jax.random.key(0), 0

    def begin(self, start: Start) -> Scene:
        """See `Drive`: the belief after everything that was seen up to the start."""
        self._key, self._number = jax.random.key((start.seed or 0) & _SEED_BITS), 0
        seen = [self._taken(observation) for observation in start.seen]
        self._state = _first(self._world, seen[0], self._key)
        for number, (action, observation) in enumerate(zip(start.done, seen[1:], strict=True), 1):
            key = jax.random.fold_in(self._key, np.uint32(-number & _SEED_BITS))
            self._state = _update(self._world, self._state, jnp.asarray(action), observation, key)
        return Scene({name: np.asarray(value) for name, value in seen[-1].items()})

    def step(self, action: np.ndarray) -> Scene:
        """See `Drive`."""
        given = self._world, self._state, jnp.asarray(action), self._key, np.uint32(self._number), self._draws
        self._number += 1
        self._state, (seen, reward, end, spread) = _imagine(*given)
        rows = _numpy(seen)
        others = {name: value[1:] for name, value in rows.items()} if self._draws > 1 else None
        spread = self._between(rows) if others else float(spread)
        return Scene({name: value[0] for name, value in rows.items()}, float(reward), bool(end), spread, others)

    def _taken(self, observation: Observation) -> dict[str, Array]:
        """What the model takes of an observation."""
        wanted = dict(self._world.model.spec.observation)
        if is_push_t(self.spec):
            observation = completed(observation, wanted)
        if lacking := sorted(set(wanted) - set(observation)):
            raise SpecError(f"{self.spec.name!r} needs the observations {lacking}, which the start does not show.")
        return {name: jnp.asarray(observation[name], array.dtype) for name, array in wanted.items()}

    def _between(self, rows: Observation) -> float:
        """Standard deviation between the draws, over that of real first observations; the mean over all entries."""
        each = [rows[name].std(axis=0) / self._scale[name] for name in self._scale]
        return float(np.mean(np.concatenate([value.reshape(-1) for value in each])))


def chancy(world: Imagined) -> bool:
    """Whether a learned world draws its future by chance, and is cheap enough to draw several: it shows vectors."""
    vectors = all(len(array.shape) < 3 for array in world.spec.observation.values())
    return vectors and isinstance(world.model, Diffusion | RSSM)


def warmed(drive: Drive, start: Start) -> Drive:
    """The drive after every program that play needs has been compiled and has run once."""
    low, high = drive.spec.action.bounds()
    action = np.clip(np.zeros(drive.spec.action.shape), low, high).astype(drive.spec.action.dtype)
    drive.begin(start)
    scene = drive.step(action)
    if isinstance(drive, ModelDrive):
        drive.begin(Start("warm", (start.last, scene.observation), (action,)))
        drive.step(action)
    drive.begin(start)
    return drive


def _scale_of(world: Imagined) -> dict[str, np.ndarray]:
    scales = {name: np.std(np.asarray(rows, np.float64), axis=0) for name, rows in world.starts.items()}
    return {name: np.where(scale < 1e-6, 1.0, scale) for name, scale in scales.items()}


def _numpy(observation: Any) -> Observation:
    return {name: np.asarray(value) for name, value in observation.items()}


@filter_jit
def _reset(env: Env, scenario: dict[str, Array], key: Array) -> Any:
    state = env.reset(scenario, key)
    return state, (env.observe(state), env.terminal(state))


@filter_jit
def _advance(env: Env, state: Any, action: Array, key: Array, number: Any) -> Any:
    following = env.step(state, action, jax.random.fold_in(key, number))
    return following, (env.observe(following), env.reward(state, action, following), env.terminal(following))


@filter_jit
def _first(world: Imagined, observation: dict[str, Array], key: Array) -> Any:
    return world.model.start(observation, key)


@filter_jit
def _update(world: Imagined, state: Any, action: Array, observation: dict[str, Array], key: Array) -> Any:
    return world.model.update(state, action, observation, key)


@filter_jit
def _imagine(world: Imagined, state: Any, action: Array, key: Array, number: Any, draws: int) -> Any:
    """The first of ``draws`` next states, and what all of them show ``[draws, ...]``."""
    keys = jax.random.split(jax.random.fold_in(key, number), draws)
    every = jax.vmap(lambda each: world.step(state, action, each))(keys)
    shown = jax.vmap(world.observe)(every)
    following = jax.tree.map(lambda leaf: leaf[0], every)
    rest = world.reward(state, action, following), world.terminal(following), world.model.read(following).spread
    return following, (shown, *rest)
