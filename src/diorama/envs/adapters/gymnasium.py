"""Any Gymnasium environment, single or vectorised, as a `HostEnv`."""

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from diorama.core.env import Scenario
from diorama.core.errors import ConformanceError, DioramaError, SpecError
from diorama.core.host_policy import TruncatingHostEnv
from diorama.core.spec import ArraySpec, EnvSpec, Factor, ScenarioSpace
from diorama.envs.adapters.host import check_actions, complete_scenario

Observation = dict[str, np.ndarray]
Source = str | gymnasium.Env | gymnasium.vector.VectorEnv | Callable[..., gymnasium.Env]


@dataclass(frozen=True, eq=False)
class GymnasiumState:
    """What N worlds showed last. ``number`` says which step it was: Gymnasium cannot go back to an earlier one."""

    number: int
    observation: Observation
    reward: np.ndarray
    terminal: np.ndarray
    truncated: np.ndarray


class GymnasiumEnv(TruncatingHostEnv):
    """N Gymnasium worlds as a `HostEnv`; made by `from_gymnasium`. Only the newest state can be stepped."""

    rewindable = False

    def __init__(self, spec: EnvSpec, action_space: spaces.Space, worlds: "_Worlds") -> None:
        self.spec = spec
        self._action_space = action_space
        self._worlds = worlds
        self._number = 0

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> GymnasiumState:
        """Reset every world with its seed; the scenario is handed over as Gymnasium's reset ``options``."""
        scenario = complete_scenario(self.spec.scenario, scenario, len(seeds))
        options = [_options(scenario, world) for world in range(len(seeds))]
        observation = self._worlds.reset([int(seed) for seed in seeds], options)
        self._number += 1
        still = np.zeros(len(seeds), bool)
        return GymnasiumState(self._number, self._cast(observation), np.zeros(len(seeds)), still, still)

    def step(self, state: GymnasiumState, action: np.ndarray) -> GymnasiumState:
        """Step the worlds that run; those that are over stay as they are, with reward 0."""
        if state.number != self._number:
            raise DioramaError("A Gymnasium environment cannot go back; step the state that came last, or reset.")
        live = ~(state.terminal | state.truncated)
        native = _native_actions(self._action_space, check_actions(self.spec.action, action, live))
        seen, reward, terminal, truncated = self._worlds.step(native, live)
        seen = self._cast(seen)
        kept = {name: _choose(live, seen[name], array) for name, array in state.observation.items()}
        self._number += 1
        terminal, truncated = state.terminal | (terminal & live), state.truncated | (truncated & live)
        return GymnasiumState(self._number, kept, np.where(live, reward, 0.0), terminal, truncated)

    def observe(self, state: GymnasiumState) -> Observation:
        """Observations [N, ...] by name."""
        return {name: array.copy() for name, array in state.observation.items()}

    def reward(self, state: GymnasiumState, action: np.ndarray, next_state: GymnasiumState) -> np.ndarray:
        """What Gymnasium gave for the step that led to ``next_state``."""
        return next_state.reward.copy()

    def terminal(self, state: GymnasiumState) -> np.ndarray:
        """Gymnasium's ``terminated``, kept from then on."""
        return state.terminal.copy()

    def truncated(self, state: GymnasiumState) -> np.ndarray:
        """Gymnasium's ``truncated``, kept from then on."""
        return state.truncated.copy()

    def close(self) -> None:
        """Close the underlying environments."""
        self._worlds.close()

    def _cast(self, observation: Any) -> Observation:
        named = observation if isinstance(observation, dict) else {next(iter(self.spec.observation)): observation}
        cast = {name: np.array(named[name], dtype=spec.dtype) for name, spec in self.spec.observation.items()}
        for name, spec in self.spec.observation.items():
            if cast[name].shape[1:] != spec.shape:
                raise SpecError(
                    f"Observation {name!r} of {self.spec.name!r} has shape {cast[name].shape[1:]}, its space says "
                    f"{spec.shape}; correct the environment's observation_space."
                )
        return cast


def from_gymnasium(
    source: Source,
    *,
    control_period: float | None = None,
    units: Mapping[str, str] | None = None,
    factors: Mapping[str, Factor] | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> GymnasiumEnv:
    """Any Gymnasium environment as a `HostEnv` of as many worlds as there are seeds.

    Args:
        source: an id for ``gymnasium.make``, a function that makes one environment (both get ``kwargs``, and are called
            once for each world), one environment (one seed at a time), or a ``VectorEnv`` (``num_envs`` seeds).
        control_period: [s]; else ``env.unwrapped.dt``, else 1 / ``metadata["render_fps"]``.
        units: a unit for each observation name and for ``"action"``; else ``"1"``.
        factors: factors of variation that the environment takes as reset ``options``.
        name: name of the world; else the id.
        **kwargs: what the id or the function is called with.

    Observations: a ``Dict`` of ``Box`` keeps its names, a plain ``Box`` is ``state``, or ``pixels`` where it is a uint8
    image [H, W, C]. float64 becomes float32. Actions: a ``Box`` is flattened to a vector; a ``Discrete(n)`` is a vector
    of n scores in [0, 1], the largest is done (ties: the first). ``truncated`` stops an episode without ``end``. A
    vector environment must declare ``metadata["autoreset_mode"]``; all three modes give the same trajectory.
    Raises `SpecError` for other spaces and where the control period is unknown.
    """
    worlds, single = _worlds_of(source, kwargs)
    space = worlds.observation_space
    named = dict(space.spaces) if isinstance(space, spaces.Dict) else {_plain_name(space): space}
    units = dict(units or {})
    spec = EnvSpec(
        name=name or _name_of(source, single),
        observation={key: _observation_spec(key, box, units.get(key, "1")) for key, box in named.items()},
        action=_action_spec(worlds.action_space, units.get("action", "1")),
        control_period=control_period or _control_period(single),
        scenario=ScenarioSpace(dict(factors or {})),
    )
    return GymnasiumEnv(spec, worlds.action_space, worlds)


class _Worlds(abc.ABC):
    """N Gymnasium worlds behind one face, whatever their autoreset mode."""

    observation_space: spaces.Space
    action_space: spaces.Space

    @abc.abstractmethod
    def reset(self, seeds: list[int], options: list[dict | None]) -> Any:
        """First observations, batched."""

    @abc.abstractmethod
    def step(self, action: np.ndarray, live: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Observation, reward, terminated, truncated; whatever for the worlds that are not ``live``."""

    @abc.abstractmethod
    def close(self) -> None:
        """Free what the worlds hold."""


class _Separate(_Worlds):
    """One environment object for each world, made when it is first needed."""

    def __init__(self, first: gymnasium.Env, factory: Callable[[], gymnasium.Env] | None) -> None:
        self.observation_space, self.action_space = first.observation_space, first.action_space
        self._factory = factory
        self._made = [first]
        self._used: list[gymnasium.Env] = []
        self._shown: list[Any] = []

    def reset(self, seeds: list[int], options: list[dict | None]) -> Any:
        if self._factory is None and len(seeds) > 1:
            raise SpecError(
                f"One environment object cannot be {len(seeds)} worlds; give from_gymnasium its id or a factory."
            )
        while len(self._made) < len(seeds):
            self._made.append(self._factory())
        self._used = self._made[: len(seeds)]
        pairs = zip(self._used, seeds, options, strict=True)
        self._shown = [env.reset(seed=seed, options=option)[0] for env, seed, option in pairs]
        return _stack(self._shown)

    def step(self, action: np.ndarray, live: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        count = len(self._used)
        reward, terminal, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        for i in np.flatnonzero(live):
            self._shown[i], reward[i], terminal[i], truncated[i], _ = self._used[i].step(action[i])
        return _stack(self._shown), reward, terminal, truncated

    def close(self) -> None:
        for env in self._made:
            env.close()


class _Vector(_Worlds):
    """A Gymnasium ``VectorEnv``. Worlds that are over are kept from showing what their autoreset does."""

    def __init__(self, env: gymnasium.vector.VectorEnv) -> None:
        self.observation_space, self.action_space = env.single_observation_space, env.single_action_space
        self._env = env
        mode = env.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise SpecError(
                f"The vector environment declares autoreset_mode {mode!r}; set metadata['autoreset_mode'] to a "
                "gymnasium.vector.AutoresetMode, else the returns may be off by one step."
            )
        self._mode = mode

    def reset(self, seeds: list[int], options: list[dict | None]) -> Any:
        if len(seeds) != self._env.num_envs:
            raise SpecError(
                f"This vector environment has {self._env.num_envs} worlds, not {len(seeds)}; give one seed each."
            )
        if any(str(option) != str(options[0]) for option in options):
            raise SpecError(
                "A vector environment resets all its worlds with the same options; give one scenario for all."
            )
        return self._env.reset(seed=seeds, options=options[0])[0]

    def step(self, action: np.ndarray, live: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        seen, reward, terminal, truncated, info = self._env.step(action)
        over = np.asarray(terminal) | np.asarray(truncated)
        seen = {name: np.array(a) for name, a in seen.items()} if isinstance(seen, dict) else np.array(seen)
        if self._mode is AutoresetMode.SAME_STEP and (over & live).any():
            seen = _final_observation(seen, info, over & live)
        if self._mode is AutoresetMode.DISABLED and over.any():
            # A finished world must not be stepped, and a vector environment steps all of them.
            self._env.reset(options={"reset_mask": over})
        return seen, np.array(reward), np.array(terminal), np.array(truncated)

    def close(self) -> None:
        self._env.close()


def _final_observation(seen: Any, info: dict[str, Any], over: np.ndarray) -> Any:
    """``seen`` with the last observation of each episode that is over in place of the first one of the next."""
    final = info.get("final_obs")
    if final is None:
        raise ConformanceError("The vector environment resets in the same step but gives no info['final_obs']; add it.")
    for world in np.flatnonzero(over):
        if isinstance(seen, dict):
            last = {name: array[world] for name, array in final.items()} if isinstance(final, dict) else final[world]
            for name, array in seen.items():
                array[world] = last[name]
        else:
            seen[world] = final[world]
    return seen


def _worlds_of(source: Source, kwargs: dict[str, Any]) -> tuple[_Worlds, Any]:
    """The worlds, and one object whose metadata and ``unwrapped`` speak for them."""
    if isinstance(source, gymnasium.vector.VectorEnv):
        return _Vector(source), source
    if isinstance(source, gymnasium.Env):
        return _Separate(source, None), source

    def build() -> gymnasium.Env:
        return gymnasium.make(source, **kwargs) if isinstance(source, str) else source(**kwargs)

    first = build()
    if isinstance(first, gymnasium.vector.VectorEnv):
        return _Vector(first), first
    return _Separate(first, build), first


def _name_of(source: Source, single: Any) -> str:
    if isinstance(source, str):
        return source
    return single.spec.id if single.spec is not None else type(single.unwrapped).__name__


def _control_period(single: Any) -> float:
    period = getattr(single.unwrapped, "dt", None)
    if period:
        return float(period)
    if rate := single.metadata.get("render_fps"):
        return 1.0 / float(rate)
    raise SpecError(
        "The environment tells neither dt nor render_fps; set metadata['render_fps'] in its class, or give "
        "from_gymnasium its control_period in seconds."
    )


def _plain_name(space: spaces.Space) -> str:
    image = space.dtype == np.uint8 and len(space.shape or ()) == 3 and space.shape[-1] in (1, 3, 4)
    return "pixels" if image else "state"


def _observation_spec(name: str, box: spaces.Space, unit: str) -> ArraySpec:
    if not isinstance(box, spaces.Box):
        raise SpecError(
            f"Observation {name!r} is a {type(box).__name__}, not a Box; wrap the environment, for example in "
            "gymnasium.wrappers.FlattenObservation."
        )
    dtype = "float32" if box.dtype.kind == "f" else str(box.dtype)
    return ArraySpec(box.shape, unit, *_bounds(box.low, box.high), dtype=dtype)


def _action_spec(space: spaces.Space, unit: str) -> ArraySpec:
    if isinstance(space, spaces.Discrete):
        return ArraySpec((int(space.n),), unit, 0.0, 1.0)
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        return ArraySpec((int(np.prod(space.shape)),), unit, *_bounds(space.low.ravel(), space.high.ravel()))
    raise SpecError(
        f"Actions of {space} are not supported; wrap the environment so that it takes a float Box or Discrete."
    )


def _bounds(low: np.ndarray, high: np.ndarray) -> tuple[Any, Any]:
    """Numbers where all entries agree, tuples for a vector, else the loosest numbers."""
    uniform = low.size and (low == low.flat[0]).all() and (high == high.flat[0]).all()
    if low.ndim == 1 and not uniform:
        return tuple(float(v) for v in low), tuple(float(v) for v in high)
    return float(low.min()), float(high.max())


def _native_actions(space: spaces.Space, action: np.ndarray) -> np.ndarray:
    if isinstance(space, spaces.Discrete):
        return np.argmax(action, axis=1) + space.start
    return action.reshape(len(action), *space.shape).astype(space.dtype)


def _options(scenario: Scenario, world: int) -> dict[str, Any] | None:
    """The reset options of one world: each factor as a float or an array."""
    values = {name: value[world] for name, value in scenario.items()}
    return {name: float(value) if value.ndim == 0 else value for name, value in values.items()} or None


def _stack(shown: list[Any]) -> Any:
    if isinstance(shown[0], dict):
        return {name: np.stack([one[name] for one in shown]) for name in shown[0]}
    return np.stack(shown)


def _choose(live: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(live.reshape(-1, *[1] * (new.ndim - 1)), new, old)
