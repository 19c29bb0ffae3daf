"""N worlds that begin their episodes one by one: what ``diorama.imagine.gymnasium_face`` drives."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from diorama.core import Env, EnvSpec, HostEnv, SpecError, TruncatingHostEnv, filter_jit
from diorama.core.env import Scenario

Scenarios = Scenario | Callable[[int], Scenario] | None
"""One scenario for every episode, a function of an episode's seed such as ``spec.scenario.sample``, or the default."""
Source = Env | HostEnv | Callable[[], HostEnv]
"""A world, or a function that makes a `HostEnv` for each world, where one cannot be several."""
Named = dict[str, np.ndarray]


class Engine(abc.ABC):
    """What holds the states of N worlds."""

    spec: EnvSpec

    @abc.abstractmethod
    def start(self, chosen: np.ndarray, numbers: np.ndarray, scenarios: list[Scenario]) -> Named:
        """Begin episodes in the ``chosen`` worlds [N], each from its number and scenario; observations of all."""

    @abc.abstractmethod
    def step(self, action: np.ndarray) -> tuple[Named, np.ndarray, np.ndarray]:
        """Observation, reward and end of all worlds, for actions [N, A]."""


class Worlds:
    """Which episode each of N worlds is in: fixed by the world's seed and the number of its episodes since."""

    def __init__(self, engine: Engine, count: int, scenario: Scenarios) -> None:
        self.engine = engine
        self.spec = engine.spec
        self._scenario = scenario if callable(scenario) else self.spec.scenario.fix(**(scenario or {}))
        self._seeds = np.full(count, -1, np.int64)
        self._episodes = np.zeros(count, np.int64)
        self._numbers = np.zeros(count, np.uint32)
        self._drawn: list[Scenario] = [self.spec.scenario.default()] * count

    def seed(self, seeds: Sequence[int | None], chosen: np.ndarray, rng: np.random.Generator) -> None:
        """Set the seeds that are given, in the chosen worlds; a world that never had one draws it from ``rng``."""
        for world in np.flatnonzero(chosen):
            if seeds[world] is not None:
                self._seeds[world], self._episodes[world] = seeds[world], 0
            elif self._seeds[world] < 0:
                self._seeds[world] = rng.integers(2**31)

    def begin(self, chosen: np.ndarray) -> Named:
        """The next episode in the chosen worlds; observations of all of them."""
        for world in np.flatnonzero(chosen):
            mixed = np.random.SeedSequence([int(self._seeds[world]), int(self._episodes[world])])
            self._numbers[world] = mixed.generate_state(1)[0]
            self._drawn[world] = self._draw(int(self._numbers[world]))
        self._episodes += chosen
        return self.engine.start(chosen, self._numbers, self._drawn)

    def _draw(self, number: int) -> Scenario:
        return self._scenario(number) if callable(self._scenario) else self._scenario


class JaxEngine(Engine):
    """Worlds of an `Env`: one pytree holds the state of all of them, and a step is one compiled ``vmap``."""

    def __init__(self, env: Env) -> None:
        self.spec = env.spec
        self._env = env
        self._held: Any = None

    def start(self, chosen: np.ndarray, numbers: np.ndarray, scenarios: list[Scenario]) -> Named:
        """See `Engine.start`."""
        scenario = {name: np.stack([one[name] for one in scenarios]) for name in self.spec.scenario.factors}
        fresh = _reset(self._env, scenario, jnp.asarray(numbers))
        self._held = fresh if self._held is None else _merge(jnp.asarray(chosen), fresh, self._held)
        return _numpy(_observe(self._env, self._held))

    def step(self, action: np.ndarray) -> tuple[Named, np.ndarray, np.ndarray]:
        """See `Engine.step`."""
        self._held, (observation, reward, ended) = _step(self._env, self._held, jnp.asarray(action))
        return _numpy(observation), np.array(reward), np.array(ended)


class HostEngine(Engine):
    """Worlds of `HostEnv`s, each with a state of its own, because a `HostEnv` begins all its worlds at once.

    ``envs`` names the `HostEnv` of each world; a rewindable one may serve several.
    """

    def __init__(self, envs: list[HostEnv]) -> None:
        first = envs[0]
        if not first.rewindable and len(set(map(id, envs))) < len(envs):
            raise SpecError(
                f"{first.spec.name!r} cannot be rewound, so one of it cannot be {len(envs)} Gymnasium worlds; give a "
                "function that makes one."
            )
        if isinstance(first, TruncatingHostEnv):
            raise SpecError(f"{first.spec.name!r} keeps a time limit of its own; hand out what it was made from.")
        self.spec = first.spec
        self._envs = envs
        self._states: list[Any] = [None] * len(envs)

    def start(self, chosen: np.ndarray, numbers: np.ndarray, scenarios: list[Scenario]) -> Named:
        """See `Engine.start`."""
        for world in np.flatnonzero(chosen):
            self._states[world] = self._envs[world].reset(numbers[[world]].astype(np.int64), scenarios[world])
        return self._observe()

    def step(self, action: np.ndarray) -> tuple[Named, np.ndarray, np.ndarray]:
        """See `Engine.step`."""
        reward, ended = [], []
        for world, env in enumerate(self._envs):
            state, row = self._states[world], action[world : world + 1]
            self._states[world] = following = env.step(state, row)
            reward.append(env.reward(state, row, following))
            ended.append(env.terminal(following))
        return self._observe(), np.concatenate(reward), np.concatenate(ended)

    def _observe(self) -> Named:
        seen = [env.observe(state) for env, state in zip(self._envs, self._states, strict=True)]
        return {name: np.concatenate([one[name] for one in seen]) for name in self.spec.observation}


def worlds_of(source: Source, count: int, scenario: Scenarios) -> Worlds:
    """``count`` worlds; raises `SpecError` where one `HostEnv` cannot be that many."""
    if isinstance(source, Env):
        return Worlds(JaxEngine(source), count, scenario)
    envs = [source] * count if isinstance(source, HostEnv) else [source() for _ in range(count)]
    return Worlds(HostEngine(envs), count, scenario)


@filter_jit
def _reset(env: Env, scenario: Scenario, numbers: Shaped[Array, " N"]) -> Any:
    def one(scenario: Scenario, number: jax.Array) -> Any:
        key = jax.random.key(number)
        return env.reset(scenario, jax.random.fold_in(key, 0)), key, jnp.ones((), jnp.uint32)

    return jax.vmap(one)(scenario, numbers)


@filter_jit
def _step(env: Env, held: Any, action: Shaped[Array, "N A"]) -> tuple[Any, Any]:
    def one(held: Any, action: jax.Array) -> tuple[Any, Any]:
        state, key, count = held
        following = env.step(state, action, jax.random.fold_in(key, count))
        seen = env.observe(following), env.reward(state, action, following), env.terminal(following)
        return (following, key, count + 1), seen

    return jax.vmap(one)(held, action)


@filter_jit
def _observe(env: Env, held: Any) -> Any:
    return jax.vmap(env.observe)(held[0])


@filter_jit
def _merge(chosen: Shaped[Array, " N"], new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jax.vmap(jnp.where)(chosen, a, b), new, old)


def _numpy(observation: Any) -> Named:
    return {name: np.array(array) for name, array in observation.items()}
