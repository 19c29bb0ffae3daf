"""Push-T in MuJoCo, as a `HostEnv` that can be rewound."""

import copy
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diorama.core.env import HostEnv, Scenario
from diorama.core.errors import DioramaError, SpecError
from diorama.core.spec import EnvSpec
from diorama.envs.adapters.host import check_actions
from diorama.envs.pusht.env import PushT, PushTState, Setting
from diorama.envs.pusht.interface import DelayLine, Interface
from diorama.envs.pusht.physics import DAMPING, STIFFNESS, SUBSTEP
from diorama.envs.pusht.render import SIZE
from diorama.envs.pusht.scenario import resolve
from diorama.envs.pusht.starts import REGIONS, drawn_starts, settled
from diorama.envs.pusht_mujoco.config import Table
from diorama.envs.pusht_mujoco.scene import AGENT, ANGLE, BLOCK, MILLIMETRE, Body, compiled, mujoco


@dataclass(frozen=True, eq=False)
class MuJoCoState:
    """What is seen of N worlds, the engine's whole state of each, and the targets on their way to the agents."""

    shown: PushTState
    engine: tuple[np.ndarray, ...]
    delay: DelayLine


@final
class MuJoCoPushT(HostEnv):
    """Push-T on a table with dry friction and inertia, in MuJoCo, interchangeable with `PushT`.

    Observations (pictures too), actions, control period, reward, end and factors of variation are those of `PushT`; for
    the same seed and scenario a world starts where gym-pusht's does, but for its one substep before the start. The
    agent follows gym-pusht's law at 100 Hz whatever it touches. ``table``: see `Table`; `identify_table` finds it from
    real transitions. Needs the extra ``mujoco``.
    """

    rewindable = True

    def __init__(
        self,
        interface: Interface | None = None,
        observations: tuple[str, ...] = ("state",),
        table: Table | None = None,
        *,
        pixels: int = SIZE,
    ):
        self._face = PushT(interface, observations, pixels=pixels)
        self.table = table or Table()
        shown = self._face.spec
        self.spec = EnvSpec(
            f"{shown.name}-mujoco", shown.observation, shown.action, shown.control_period, shown.scenario
        )
        self._worlds: dict[Body, _World] = {}

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> MuJoCoState:
        """First states of ``len(seeds)`` worlds, at rest."""
        setting = Setting(resolve(scenario, len(seeds)), len(seeds))
        drawn = drawn_starts(seeds, {name: setting.each(name) for name in REGIONS})
        return self._started(settled(drawn, setting.block_scale), np.zeros((len(seeds), 2)), setting)

    def reset_to(self, states: np.ndarray, scenario: Scenario, velocity: np.ndarray | None = None) -> MuJoCoState:
        """Start from exactly these ``states`` [N, 5], as in the observation ``state``; the block is at rest.

        ``velocity`` [N, 2]: that of the agents [px/s], by default 0.
        """
        states = np.asarray(states, np.float64)
        if states.ndim != 2 or states.shape[1] != 5 or not np.isfinite(states).all():
            raise SpecError(f"States have shape {states.shape}; give finite [N, 5]: agent x, y, block x, y, angle.")
        velocity = np.zeros((len(states), 2)) if velocity is None else np.asarray(velocity, np.float64)
        return self._started(states, velocity, Setting(resolve(scenario, len(states)), len(states)))

    def step(self, state: MuJoCoState, action: np.ndarray) -> MuJoCoState:
        """States one control period later; ``action`` is [N, 2]. Raises `DioramaError` where the engine breaks down."""
        action, shown = check_actions(self.spec.action, action), state.shown
        # A line forgets by naming a new array, so that a shallow copy leaves the old state as it was.
        delay = copy.copy(state.delay)
        targets = delay.pass_on(self._face.interface.targets(action, shown.agent_xy))
        engine = tuple(
            self._world(body).driven(held, agent, velocity, path)
            for body, held, agent, velocity, path in zip(
                _bodies(shown.setting), state.engine, shown.agent_xy, shown.agent_velocity, targets, strict=True
            )
        )
        return self._seen(engine, shown.setting, delay)

    def observe(self, state: MuJoCoState) -> dict[str, np.ndarray]:
        """Observations [N, ...]."""
        return self._face.observe(state.shown)

    def reward(self, state: MuJoCoState, action: np.ndarray, next_state: MuJoCoState) -> np.ndarray:
        """Coverage after the step over 0.95, clipped to [0, 1]: [N] float32."""
        return self._face.reward(state.shown, action, next_state.shown)

    def terminal(self, state: MuJoCoState) -> np.ndarray:
        """Whether each coverage exceeds 0.95, [N] bool."""
        return self._face.terminal(state.shown)

    def _started(self, poses: np.ndarray, velocity: np.ndarray, setting: Setting) -> MuJoCoState:
        self._worlds = {}
        rows = zip(_bodies(setting), poses, velocity, strict=True)
        engine = tuple(self._world(body).placed(pose, speed) for body, pose, speed in rows)
        delay = DelayLine(np.rint(setting.each("latency") / SUBSTEP).astype(np.int64), poses[:, 0:2])
        return self._seen(engine, setting, delay)

    def _world(self, body: Body) -> "_World":
        if body not in self._worlds:
            self._worlds[body] = _World(body, self.table)
        return self._worlds[body]

    def _seen(self, engine: tuple[np.ndarray, ...], setting: Setting, delay: DelayLine) -> MuJoCoState:
        rows = [self._world(body).read(held) for body, held in zip(_bodies(setting), engine, strict=True)]
        agent, velocity, block, angle = (np.stack(column) for column in zip(*rows, strict=True))
        return MuJoCoState(PushTState(agent, velocity, block, angle, setting, 0), engine, delay)


def _bodies(setting: Setting) -> list[Body]:
    columns = (setting.each(name).tolist() for name in ("block_scale", "block_mass", "friction", "agent_radius"))
    return [Body(*row) for row in zip(*columns, strict=True)]


class _World:
    """A compiled scene and its workspace. It holds no state between calls."""

    def __init__(self, body: Body, table: Table):
        engine = mujoco()
        self._engine, self._steps = engine, table.steps
        self._model = compiled(body, table)
        self._data = engine.MjData(self._model)
        # All that decides what comes next, also what warm-starts the solver: an old state gives the same future.
        self._parts = engine.mjtState.mjSTATE_INTEGRATION
        self._size = engine.mj_stateSize(self._model, self._parts)

    def placed(self, pose: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """The engine's state at this pose [5], the agent moving at ``velocity`` [px/s]."""
        self._engine.mj_resetData(self._model, self._data)
        self._data.qpos[AGENT], self._data.qpos[BLOCK] = pose[0:2] * MILLIMETRE, pose[2:4] * MILLIMETRE
        self._data.qpos[ANGLE] = pose[4]
        self._data.qvel[AGENT] = velocity * MILLIMETRE
        return self._held()

    def driven(self, held: np.ndarray, agent: np.ndarray, velocity: np.ndarray, path: np.ndarray) -> np.ndarray:
        """The engine's state after a path of targets [S, 2] in pixels, one for each substep of 0.01 s."""
        engine, model, data = self._engine, self._model, self._data
        engine.mj_resetData(model, data)
        engine.mj_setState(model, data, held, self._parts)
        for target in path:
            velocity = velocity + (STIFFNESS * (target - agent) - DAMPING * velocity) * SUBSTEP
            data.qpos[AGENT], data.qvel[AGENT] = agent * MILLIMETRE, velocity * MILLIMETRE
            engine.mj_step(model, data, self._steps)
            agent = agent + velocity * SUBSTEP
        if any(warning.number for warning in data.warning):
            raise DioramaError("MuJoCo's state broke down in Push-T; choose a smaller Table.timestep.")
        data.qpos[AGENT], data.qvel[AGENT] = agent * MILLIMETRE, velocity * MILLIMETRE
        return self._held()

    def read(self, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Agent x, y [px], its velocity [px/s], tee x, y [px] and angle [rad] of a state."""
        self._engine.mj_setState(self._model, self._data, held, self._parts)
        qpos, qvel = self._data.qpos, self._data.qvel
        return qpos[AGENT] / MILLIMETRE, qvel[AGENT] / MILLIMETRE, qpos[BLOCK] / MILLIMETRE, float(qpos[ANGLE])

    def _held(self) -> np.ndarray:
        held: Any = np.empty(self._size)
        self._engine.mj_getState(self._model, self._data, held, self._parts)
        return held
