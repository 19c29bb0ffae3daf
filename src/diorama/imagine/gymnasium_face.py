"""Any world, physical or learned, handed out to Gymnasium: a ``VectorEnv`` of N worlds, or a single ``Env``.

So that anyone's policy, in any framework, can be trained or tested in it::

    worlds = to_gymnasium(as_env(model, starts), num_envs=64, length=200)
    one = to_gymnasium_single(world, length=200, action=Normalised())   # for example Stable-Baselines3

An episode is fixed by its seed and its number: world i under ``reset(seed=s)`` has the seed ``s + i``, and the number
counts its episodes since. A list of seeds names each world's own.
"""

import abc
import re
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymnasiumSpec
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from diorama.core import ArraySpec, DioramaError, EnvSpec, SpecError
from diorama.imagine.gymnasium_worlds import Named, Scenarios, Source, Worlds, worlds_of


class ActionFace(abc.ABC):
    """How a Gymnasium action becomes an action of the world."""

    @abc.abstractmethod
    def space(self, spec: ArraySpec) -> spaces.Box:
        """The action space that Gymnasium sees."""

    @abc.abstractmethod
    def physical(self, spec: ArraySpec, action: np.ndarray) -> np.ndarray:
        """Actions [N, A] in the units of the spec."""


class Physical(ActionFace):
    """Actions are in the units and bounds of the spec, as everywhere in Diorama."""

    def space(self, spec: ArraySpec) -> spaces.Box:
        """See `ActionFace.space`."""
        return _box(spec)

    def physical(self, spec: ArraySpec, action: np.ndarray) -> np.ndarray:
        """See `ActionFace.physical`."""
        return action


class Normalised(ActionFace):
    """Actions are in [-1, 1] and are scaled to the bounds, as many learners outside expect. Bounds must be finite."""

    def space(self, spec: ArraySpec) -> spaces.Box:
        """See `ActionFace.space`."""
        if not spec.bounded:
            raise SpecError("An action without bounds cannot be normalised; use Physical(), or give the spec bounds.")
        return spaces.Box(-1.0, 1.0, spec.shape, np.float32)

    def physical(self, spec: ArraySpec, action: np.ndarray) -> np.ndarray:
        """See `ActionFace.physical`."""
        low, high = spec.bounds()
        return np.clip(low + 0.5 * (action + 1.0) * (high - low), low, high)


class WorldVectorEnv(gymnasium.vector.VectorEnv):
    """N worlds as a Gymnasium ``VectorEnv``; made by `to_gymnasium`, which documents it."""

    def __init__(self, worlds: Worlds, num_envs: int, length: int, mode: AutoresetMode, action: ActionFace) -> None:
        self._worlds, self._length, self._mode, self._face = worlds, length, mode, action
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode, **_metadata(worlds.spec)}
        self.single_observation_space = _observation_space(worlds.spec)
        self.single_action_space = action.space(worlds.spec.action)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seen: Named = {}
        self._elapsed = np.zeros(num_envs, int)
        self._over = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start new episodes; with ``options={"reset_mask": [N] bool}`` only in those worlds."""
        chosen = np.ones(self.num_envs, bool)
        if options and "reset_mask" in options:
            chosen = _mask(options["reset_mask"], self.num_envs)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._worlds.seed(_seeds(seed, self.num_envs), chosen, self.np_random)
        self._begin(chosen)
        return self._show(self._seen), {}

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control period; what happens at the end of an episode is said by ``metadata["autoreset_mode"]``."""
        if not self._seen:
            raise DioramaError("Reset the vector environment before its first step.")
        beginning = self._over if self._mode is AutoresetMode.NEXT_STEP else np.zeros(self.num_envs, bool)
        if self._mode is AutoresetMode.DISABLED and self._over.any():
            raise DioramaError(
                f"Worlds {np.flatnonzero(self._over)} are over; call reset(options={{'reset_mask': ...}})."
            )
        self._seen, reward, ended = self._worlds.engine.step(_physical(self._face, self._worlds.spec.action, actions))
        self._elapsed += 1
        if beginning.any():
            self._begin(beginning)
        reward, ended = np.where(beginning, 0.0, reward), ended & ~beginning
        truncated = (self._elapsed >= self._length) & ~ended & ~beginning
        self._over = ended | truncated
        info: dict[str, Any] = {}
        if self._mode is AutoresetMode.SAME_STEP and self._over.any():
            over = self._over
            info = {"final_obs": self._finals(over), "_final_obs": over.copy()}
            self._begin(over)
        return self._show(self._seen), reward.astype(np.float64), ended, truncated, info

    def _begin(self, chosen: np.ndarray) -> None:
        """New episodes in the chosen worlds."""
        self._seen = self._worlds.begin(chosen)
        self._elapsed = np.where(chosen, 0, self._elapsed)
        self._over = self._over & ~chosen

    def _finals(self, over: np.ndarray) -> np.ndarray:
        finals = np.full(self.num_envs, None, dtype=object)
        for world in np.flatnonzero(over):
            finals[world] = self._show({name: array[world] for name, array in self._seen.items()})
        return finals

    def _show(self, seen: Named) -> Any:
        return _show(self._worlds.spec, seen)


class WorldGymnasiumEnv(gymnasium.Env):
    """One world as a Gymnasium ``Env``; made by `to_gymnasium_single`, which documents it."""

    def __init__(self, worlds: Worlds, length: int, action: ActionFace) -> None:
        self._worlds, self._length, self._face = worlds, length, action
        self.world = worlds.spec
        self.metadata = _metadata(worlds.spec)
        self.observation_space = _observation_space(worlds.spec)
        self.action_space = action.space(worlds.spec.action)
        self._elapsed: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start a new episode; without a seed, the next one of the seed given last."""
        super().reset(seed=seed)
        self._worlds.seed([seed], np.ones(1, bool), self.np_random)
        self._elapsed = 0
        return self._first(self._worlds.begin(np.ones(1, bool))), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control period; ``truncated`` after ``length`` steps."""
        if self._elapsed is None:
            raise DioramaError("Reset the environment before its first step, and after each end.")
        seen, reward, ended = self._worlds.engine.step(
            _physical(self._face, self._worlds.spec.action, np.asarray(action)[None])
        )
        self._elapsed += 1
        terminated = bool(ended[0])
        truncated = self._elapsed >= self._length and not terminated
        if terminated or truncated:
            self._elapsed = None
        return self._first(seen), float(reward[0]), terminated, truncated, {}

    def _first(self, seen: Named) -> Any:
        return _show(self._worlds.spec, {name: array[0] for name, array in seen.items()})


def to_gymnasium(
    env: Source,
    num_envs: int,
    length: int,
    *,
    scenario: Scenarios = None,
    autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    action: ActionFace = Physical(),  # noqa: B008 (immutable)
) -> WorldVectorEnv:
    """N worlds as a Gymnasium ``VectorEnv``, each episode truncated after ``length`` steps.

    An `Env` (also a learned one, from ``as_env``) is stepped as one compiled ``vmap``. A `HostEnv` works too, world by
    world; for several worlds that cannot be rewound give a function that makes one, such as ``PushT``. One observation
    is a ``Box``, several are a ``Dict`` by name; an unbounded entry is bounded by the largest finite number of its
    dtype. Actions out of their bounds raise `SpecError`; a learner that does not keep them wraps its own
    ``ClipAction``. ``scenario`` is one for all episodes, or a function of the episode's seed such as
    ``env.spec.scenario.sample``.

    Autoreset (declared in ``metadata["autoreset_mode"]``): NEXT_STEP, the step after the last one ignores the action,
    gives reward 0 and shows the new episode's first observation; SAME_STEP, the last step shows that observation at
    once and ``info["final_obs"]`` holds the last one; DISABLED, the caller resets by ``options={"reset_mask": mask}``.
    """
    if num_envs < 1 or length < 1:
        raise SpecError(f"{num_envs} worlds of {length} steps are none; give at least one of each.")
    return WorldVectorEnv(worlds_of(env, num_envs, scenario), num_envs, length, autoreset_mode, action)


def to_gymnasium_single(
    env: Source,
    length: int,
    *,
    scenario: Scenarios = None,
    action: ActionFace = Physical(),  # noqa: B008 (immutable)
) -> WorldGymnasiumEnv:
    """One world as a Gymnasium ``Env`` that passes Gymnasium's ``check_env``; otherwise as `to_gymnasium`."""
    if length < 1:
        raise SpecError(f"A length of {length} steps is no episode; give at least 1.")

    def build() -> WorldGymnasiumEnv:
        return WorldGymnasiumEnv(worlds_of(env, 1, scenario), length, action)

    made = build()
    # Gymnasium makes a second one from this for its checks; the time limit is ours, so it must add none.
    slug = re.sub(r"[^\w.-]+", "-", made.world.name)
    made.spec = GymnasiumSpec(f"diorama/{slug}-v0", entry_point=build, order_enforce=False, disable_env_checker=True)
    return made


def _physical(face: ActionFace, spec: ArraySpec, action: Any) -> np.ndarray:
    """Actions [N, A] in the units of the spec, or `SpecError`: nothing is clipped in silence."""
    low, high = face.space(spec).low, face.space(spec).high
    array = np.asarray(action, np.float32)
    if array.ndim != 2 or array.shape[1:] != spec.shape:
        raise SpecError(
            f"Actions have shape {array.shape}, the space says (N, {spec.size}); give one row for each world."
        )
    outside = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if outside.any():
        world, index = np.argwhere(outside)[0]
        raise SpecError(
            f"Action entry {index} of world {world} is {array[world, index]:.6g}, its bounds are "
            f"[{low[index]:.6g}, {high[index]:.6g}]; use gymnasium's ClipAction if you mean to clip."
        )
    return face.physical(spec, array).astype(spec.dtype)


def _metadata(spec: EnvSpec) -> dict[str, Any]:
    return {"render_modes": [], "render_fps": 1.0 / spec.control_period}


def _observation_space(spec: EnvSpec) -> spaces.Space:
    boxes = {name: _box(array) for name, array in spec.observation.items()}
    return next(iter(boxes.values())) if len(boxes) == 1 else spaces.Dict(boxes)


def _box(spec: ArraySpec) -> spaces.Box:
    dtype = np.dtype("uint8" if spec.dtype == "bool" else spec.dtype)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    top = np.array([0, 1] if spec.dtype == "bool" else [limits.min, limits.max], np.float64)
    low, high = (np.clip(bound, *top).astype(dtype) for bound in spec.bounds())
    return spaces.Box(low, high, spec.shape, dtype)


def _show(spec: EnvSpec, seen: Named) -> Any:
    """Copies of the observations: a Box where there is one, else a Dict by name."""
    copies = {name: array.astype(np.uint8 if array.dtype == bool else array.dtype) for name, array in seen.items()}
    return next(iter(copies.values())) if len(copies) == 1 else copies


def _seeds(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    """A seed for each world; Gymnasium's rule for one number is ``seed + i``."""
    if seed is None:
        return [None] * count
    seeds = [seed + world for world in range(count)] if isinstance(seed, int | np.integer) else list(seed)
    if len(seeds) != count:
        raise SpecError(f"{len(seeds)} seeds for {count} worlds; give one for each, or one number.")
    return seeds


def _mask(mask: Any, count: int) -> np.ndarray:
    array = np.asarray(mask)
    if array.shape != (count,) or array.dtype != bool or not array.any():
        raise SpecError(f"options['reset_mask'] must be {count} booleans with at least one True, not {mask!r}.")
    return array
