"""Push-T as a `HostEnv`: push a tee onto its goal with a round finger. N worlds on NumPy arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from diorama.core.env import HostEnv, Scenario
from diorama.core.errors import DioramaError, SpecError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.envs.pusht.coverage import REWARD_COVERAGE, coverage, coverage_of_one
from diorama.envs.pusht.geometry import TABLE, keypoints
from diorama.envs.pusht.interface import Absolute, DelayLine, Interface
from diorama.envs.pusht.physics import SUBSTEP, PushTPhysics
from diorama.envs.pusht.render import SIZE, Renderer, shrunk
from diorama.envs.pusht.scenario import SCENARIOS, resolve
from diorama.envs.pusht.starts import REGIONS, drawn_starts

_FEW = 6  # below this many worlds a loop of plain floats beats NumPy


@dataclass(frozen=True, eq=False)
class Setting:
    """What stays the same over an episode: the factors of variation, resolved for N worlds."""

    factors: dict[str, np.ndarray]
    count: int

    def each(self, name: str) -> np.ndarray:
        """A factor for each world, float64 [N, *factor shape]."""
        value = self.factors[name]
        return np.broadcast_to(value, (self.count, *value.shape[1:]))

    @cached_property
    def goal_pose(self) -> np.ndarray:
        """Goals as x, y [px], angle [rad]: [M, 3], M is 1 or N."""
        position, angle = self.factors["goal_position"], self.factors["goal_angle"]
        count = max(len(position), len(angle))
        return np.concatenate(
            [np.broadcast_to(part, (count, n)) for part, n in ((position, 2), (angle[:, None], 1))], 1
        )

    @cached_property
    def block_scale(self) -> np.ndarray:
        """Scale of each block [px], [N]."""
        return self.each("block_scale")

    @cached_property
    def goal_scale(self) -> np.ndarray:
        """Scale of each goal [px], [N]."""
        return self.block_scale * self.each("goal_size")

    @cached_property
    def renderer(self) -> Renderer:
        """The painter of these worlds; made with the first image."""
        count = max(len(self.goal_pose), len(self.factors["block_scale"]), len(self.factors["goal_size"]))
        names = ("agent_colour", "block_colour", "goal_colour", "background_colour")
        return Renderer(self.goal_pose, self.goal_scale[:count], **{name: self.factors[name] for name in names})


@dataclass(frozen=True, eq=False)
class PushTState:
    """Poses and velocities of N worlds after a step, in pixels, radians and seconds. The engine holds the rest.

    ``agent_xy``, ``agent_velocity``, ``block_xy`` are [N, 2], ``block_angle`` [N] is not wrapped. ``serial`` tells
    whether the engine still is in this state.
    """

    agent_xy: np.ndarray
    agent_velocity: np.ndarray
    block_xy: np.ndarray
    block_angle: np.ndarray
    setting: Setting
    serial: int

    @cached_property
    def coverage(self) -> np.ndarray:
        """Share of each goal that its block covers, float64 [N] in [0, 1]; worked out when first asked for."""
        setting = self.setting
        if setting.count > _FEW:
            return coverage(self.block_xy, self.block_angle, setting.goal_pose, setting.block_scale, setting.goal_scale)
        blocks = np.concatenate([self.block_xy, self.block_angle[:, None]], axis=1).tolist()
        goals = np.broadcast_to(setting.goal_pose, (setting.count, 3)).tolist()
        scales = setting.block_scale.tolist(), setting.goal_scale.tolist()
        return np.array([coverage_of_one(*each) for each in zip(blocks, goals, *scales, strict=True)])


def _observe_state(state: PushTState) -> np.ndarray:
    angle = state.block_angle[:, None] % (2 * np.pi)
    return np.concatenate([state.agent_xy, state.block_xy, angle], axis=1).astype(np.float32)


def _observe_keypoints(state: PushTState) -> np.ndarray:
    corners = keypoints(state.block_xy, state.block_angle, state.setting.block_scale)
    return np.concatenate([corners.reshape(-1, 16), state.agent_xy], axis=1).astype(np.float32)


def features_of(state: PushTState) -> np.ndarray:
    """The observation ``features`` of N worlds, float32 [N, 8]."""
    turn = np.stack([np.cos(state.block_angle), np.sin(state.block_angle)], axis=1)
    return np.concatenate([state.agent_xy, state.agent_velocity, state.block_xy, turn], axis=1).astype(np.float32)


def _observe_pixels(state: PushTState) -> np.ndarray:
    setting = state.setting
    radius = setting.each("agent_radius")
    return setting.renderer(state.agent_xy, radius, state.block_xy, state.block_angle, setting.block_scale)


def _clipped_coverage(state: PushTState) -> np.ndarray:
    return np.minimum(state.coverage / REWARD_COVERAGE, 1.0)


@dataclass(frozen=True)
class _Sensor:
    spec: ArraySpec
    read: Callable[[PushTState], np.ndarray]


# The agent cannot leave the table: its law has no overshoot. It can squeeze the block through a wall, though.
_OUT = 256.0
_BLOCK_LOW, _BLOCK_HIGH = -_OUT, TABLE + _OUT
_FASTEST = 2500.0
_CORNERS = tuple(f"keypoint_{i}_{axis}" for i in range(8) for axis in "xy")
_SENSORS = {
    "state": _Sensor(
        ArraySpec(
            (5,),
            "1",
            (0.0, 0.0, _BLOCK_LOW, _BLOCK_LOW, 0.0),
            (TABLE, TABLE, _BLOCK_HIGH, _BLOCK_HIGH, 2 * np.pi),
            names=("agent_x_px", "agent_y_px", "block_x_px", "block_y_px", "block_angle_rad"),
        ),
        _observe_state,
    ),
    "keypoints": _Sensor(
        ArraySpec((18,), "px", _BLOCK_LOW, _BLOCK_HIGH, names=(*_CORNERS, "agent_x", "agent_y")), _observe_keypoints
    ),
    "features": _Sensor(
        ArraySpec(
            (8,),
            "1",
            (0.0, 0.0, -_FASTEST, -_FASTEST, _BLOCK_LOW, _BLOCK_LOW, -1.0, -1.0),
            (TABLE, TABLE, _FASTEST, _FASTEST, _BLOCK_HIGH, _BLOCK_HIGH, 1.0, 1.0),
            names=(
                "agent_x_px",
                "agent_y_px",
                "agent_x_px_s",
                "agent_y_px_s",
                "block_x_px",
                "block_y_px",
                "block_cosine",
                "block_sine",
            ),
        ),
        features_of,
    ),
}
_SMALLEST = 8


def _sensor(name: str, side: int) -> _Sensor:
    """The sensor of this name; pictures are ``side`` x ``side``. Raises `SpecError` where there is none."""
    if name != "pixels":
        if name not in _SENSORS:
            raise SpecError(f"Push-T has no observation {name!r}; choose from {sorted([*_SENSORS, 'pixels'])}.")
        return _SENSORS[name]
    if not _SMALLEST <= side <= SIZE:
        raise SpecError(f"Push-T has no pictures of {side} pixels; choose a side from {_SMALLEST} to {SIZE}.")
    spec = ArraySpec((side, side, 3), "1", 0.0, 255.0, "uint8")
    return _Sensor(spec, lambda state: shrunk(_observe_pixels(state), side))


@final
class PushT(HostEnv):
    """gym-pusht's physics, starts, reward and end, in batches, at less cost, with factors of variation.

    ``interface`` says what an action means (`Absolute` or `Relative`). ``observations`` names some of:

    - ``state``: agent x, y, block x, y [px], block angle in [0, 2 pi), as gym-pusht has it;
    - ``keypoints``: the eight corners of the block in gym-pusht's order, then the agent [px];
    - ``features``: smooth in the motion: agent x, y, its velocity, block x, y, cosine and sine of the block's angle;
    - ``pixels``: 96 x 96 x 3 uint8, or so many ``pixels`` a side: drawn at 96, then averaged over areas.

    The reward is coverage / 0.95, clipped to [0, 1], or what ``reward`` says of the state after a step; a world ends
    beyond a coverage of 0.95.
    It cannot be rewound: Chipmunk remembers contacts that a pose does not show. `reset_to` starts from given poses.
    """

    rewindable = False

    def __init__(
        self,
        interface: Interface | None = None,
        observations: tuple[str, ...] = ("state",),
        *,
        pixels: int = SIZE,
        reward: Callable[[PushTState], np.ndarray] | None = None,
    ):
        self.interface = interface or Absolute()
        self._reward = reward or _clipped_coverage
        self._sensors = {name: _sensor(name, pixels) for name in observations}
        self.spec = EnvSpec(
            f"pusht-{type(self.interface).__name__.lower()}",
            {name: sensor.spec for name, sensor in self._sensors.items()},
            self.interface.action,
            self.interface.control_period,
            SCENARIOS,
        )
        self._serial = 0
        self._physics: PushTPhysics | None = None
        self._delay: DelayLine | None = None

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> PushTState:
        """First states of ``len(seeds)`` worlds: in the default scenario those of ``gym_pusht`` with the same seeds."""
        setting = self._prepare(scenario, len(seeds))
        starts = drawn_starts(seeds, {name: setting.each(name) for name in REGIONS})
        self._physics.reset(starts[:, 0:2], starts[:, 2:4], starts[:, 4])
        return self._begin(setting)

    def reset_to(self, states: np.ndarray, scenario: Scenario) -> PushTState:
        """Start at rest from exactly these ``states`` [N, 5], as in the observation ``state``: no substep is made."""
        states = np.asarray(states, np.float64)
        if states.ndim != 2 or states.shape[1] != 5 or not np.isfinite(states).all():
            raise SpecError(f"States have shape {states.shape}; give finite [N, 5]: agent x, y, block x, y, angle.")
        setting = self._prepare(scenario, len(states))
        self._physics.set_pose(states[:, 0:2], states[:, 2:4], states[:, 4])
        return self._begin(setting)

    def step(self, state: PushTState, action: np.ndarray) -> PushTState:
        """States one control period later; ``action`` is [N, 2]. Raises `DioramaError` for a state that has passed."""
        if state.serial != self._serial or self._physics is None:
            raise DioramaError("Push-T cannot be rewound: step the state that the last reset or step returned.")
        action = np.asarray(action)
        if action.shape != (state.setting.count, 2) or not np.isfinite(action).all():
            raise SpecError(f"Actions have shape {action.shape}; give finite numbers [{state.setting.count}, 2].")
        self._physics.step(self._delay.pass_on(self.interface.targets(action, state.agent_xy)))
        return self._snapshot(state.setting)

    def observe(self, state: PushTState) -> dict[str, np.ndarray]:
        """Observations [N, ...] of any state, also of one that has passed."""
        return {name: sensor.read(state) for name, sensor in self._sensors.items()}

    def reward(self, state: PushTState, action: np.ndarray, next_state: PushTState) -> np.ndarray:
        """Coverage after the step over 0.95, clipped to [0, 1], or another where one was given: [N] float32."""
        return np.asarray(self._reward(next_state), np.float32)

    def terminal(self, state: PushTState) -> np.ndarray:
        """Whether each coverage exceeds 0.95, [N] bool."""
        return state.coverage > REWARD_COVERAGE

    def _prepare(self, scenario: Scenario, count: int) -> Setting:
        setting = Setting(resolve(scenario, count), count)
        self._physics = PushTPhysics(
            count,
            scale=setting.each("block_scale"),
            mass=setting.each("block_mass"),
            friction=setting.each("friction"),
            radius=setting.each("agent_radius"),
        )
        return setting

    def _begin(self, setting: Setting) -> PushTState:
        state = self._snapshot(setting)
        substeps = np.rint(setting.each("latency") / SUBSTEP).astype(np.int64)
        self._delay = DelayLine(substeps, state.agent_xy)
        return state

    def _snapshot(self, setting: Setting) -> PushTState:
        self._serial += 1
        physics = self._physics
        return PushTState(
            physics.agent_xy, physics.agent_velocity, physics.block_xy, physics.block_angle, setting, self._serial
        )
