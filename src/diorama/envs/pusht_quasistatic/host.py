"""The quasi-static Push-T as a `HostEnv`: gym-pusht's starts for the same seeds, and pictures."""

from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core import EnvSpec, HostEnv, filter_jit
from diorama.core.env import Scenario
from diorama.envs.adapters.host import check_actions
from diorama.envs.pusht.env import PushT, PushTState, Setting
from diorama.envs.pusht.interface import Interface
from diorama.envs.pusht.render import SIZE
from diorama.envs.pusht.scenario import resolve
from diorama.envs.pusht.starts import REGIONS, drawn_starts, settled
from diorama.envs.pusht_quasistatic.env import QuasiStaticPushT, QuasiStaticState
from diorama.envs.pusht_quasistatic.factors import physical
from diorama.envs.pusht_quasistatic.parameters import Parameters


@dataclass(frozen=True, eq=False)
class HostState:
    """What is seen of N worlds, and their states in JAX ``[N, ...]``."""

    shown: PushTState
    worlds: QuasiStaticState


@final
class HostQuasiStaticPushT(HostEnv):
    """`QuasiStaticPushT` in batches on NumPy arrays, interchangeable with `PushT`.

    For the same seed and scenario a world starts where gym-pusht's does (but for its one substep before the start),
    so that evaluations are paired. All observations of `PushT`, pictures too, and all its factors. Rewindable.
    """

    rewindable = True

    def __init__(
        self,
        interface: Interface | None = None,
        observations: tuple[str, ...] = ("state",),
        parameters: Parameters | None = None,
        *,
        pixels: int = SIZE,
    ):
        self._face = PushT(interface, observations, pixels=pixels)
        self._world = QuasiStaticPushT(interface, ("state",), parameters)
        shown = self._face.spec
        self.spec = EnvSpec(
            self._world.spec.name, shown.observation, shown.action, shown.control_period, shown.scenario
        )

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> HostState:
        """First states of ``len(seeds)`` worlds, at rest."""
        setting = Setting(resolve(scenario, len(seeds)), len(seeds))
        drawn = drawn_starts(seeds, {name: setting.each(name) for name in REGIONS})
        return self._started(settled(drawn, setting.block_scale), setting)

    def reset_to(self, states: np.ndarray, scenario: Scenario) -> HostState:
        """Start at rest from exactly these ``states`` [N, 5], as in the observation ``state``."""
        return self._started(np.asarray(states), Setting(resolve(scenario, len(states)), len(states)))

    def step(self, state: HostState, action: np.ndarray) -> HostState:
        """States one control period later; ``action`` is [N, 2]."""
        action = check_actions(self.spec.action, action)
        return self._seen(_steps(self._world, state.worlds, action), state.shown.setting)

    def observe(self, state: HostState) -> dict[str, np.ndarray]:
        """Observations [N, ...]."""
        return self._face.observe(state.shown)

    def reward(self, state: HostState, action: np.ndarray, next_state: HostState) -> np.ndarray:
        """Coverage after the step over 0.95, clipped to [0, 1]: [N] float32."""
        return self._face.reward(state.shown, action, next_state.shown)

    def terminal(self, state: HostState) -> np.ndarray:
        """Whether each coverage exceeds 0.95, [N] bool."""
        return self._face.terminal(state.shown)

    def _started(self, poses: np.ndarray, setting: Setting) -> HostState:
        factors = physical({name: setting.each(name).astype(np.float32) for name in setting.factors})
        return self._seen(_starts(self._world, poses.astype(np.float32), factors), setting)

    @staticmethod
    def _seen(worlds: QuasiStaticState, setting: Setting) -> HostState:
        bodies = worlds.bodies
        read = (bodies.agent_xy, bodies.agent_velocity, bodies.block_xy, bodies.block_angle)
        return HostState(PushTState(*(np.asarray(array, np.float64) for array in read), setting, 0), worlds)


@filter_jit
def _starts(world: QuasiStaticPushT, poses: Array, factors: Scenario) -> QuasiStaticState:
    return jax.vmap(world.start_at)(poses, factors)


@filter_jit
def _steps(world: QuasiStaticPushT, states: QuasiStaticState, action: Array) -> QuasiStaticState:
    return jax.vmap(lambda state, one: world.step(state, one, jax.random.key(0)))(states, jnp.asarray(action))
