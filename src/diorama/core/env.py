"""`Env`: one pure, differentiable world. `HostEnv`: many worlds at a time on NumPy arrays."""

import abc
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from diorama.core.module import AbstractVar, Module
from diorama.core.spec import EnvSpec

Scenario = dict[str, Any]
"""A value for each named factor of the env's `ScenarioSpace`."""
State = Any
Observation = dict[str, Shaped[Array | np.ndarray, "..."]]


class Env(Module):
    """One world: a simulator, or a learned model seen as one. A batch is ``jax.vmap`` at the call.

    All methods are pure. The state is any pytree of arrays. Truncation belongs to ``rollout(length=...)``.
    """

    spec: AbstractVar[EnvSpec]
    """Declared by final classes as ``spec: EnvSpec = field(static=True)``: it is structure, not data."""

    @abc.abstractmethod
    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> State:
        """A first state under the given factors of variation."""

    @abc.abstractmethod
    def step(self, state: State, action: Float[Array, " A"], key: PRNGKeyArray) -> State:
        """The state one control period later."""

    @abc.abstractmethod
    def observe(self, state: State) -> Observation:
        """The observation of a state, as in ``spec.observation``."""

    @abc.abstractmethod
    def reward(self, state: State, action: Float[Array, " A"], next_state: State) -> Float[Array, ""]:
        """The reward of one step."""

    @abc.abstractmethod
    def terminal(self, state: State) -> Bool[Array, ""]:
        """Whether the world ends in this state."""


class HostEnv(abc.ABC):
    """N worlds at a time on NumPy arrays: Gymnasium, MuJoCo in C, a robot. It cannot be differentiated.

    The same methods as `Env`, with a leading axis N and integer seeds instead of keys. ``state`` is whatever
    ``step`` needs; an environment that cannot be rewound raises `DioramaError` when an old state is stepped again.
    Driven by ``diorama.envs.run_host``, which returns the same `Trajectory`.
    """

    spec: EnvSpec
    rewindable: bool
    """Whether an old state may be stepped again (MuJoCo: yes; Push-T and a robot: no)."""

    @abc.abstractmethod
    def reset(self, seeds: np.ndarray, scenario: Scenario) -> State:
        """First states of ``len(seeds)`` worlds. Scenario values have no batch axis (shared) or a leading axis N."""

    @abc.abstractmethod
    def step(self, state: State, action: np.ndarray) -> State:
        """States one control period later; ``action`` is [N, A]."""

    @abc.abstractmethod
    def observe(self, state: State) -> dict[str, np.ndarray]:
        """Observations [N, ...], as in ``spec.observation``."""

    @abc.abstractmethod
    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        """Rewards [N]."""

    @abc.abstractmethod
    def terminal(self, state: State) -> np.ndarray:
        """Whether each world ended, [N] bool."""
