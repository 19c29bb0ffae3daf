"""Push-T's observations told from one another, and its tables set up as one of them shows."""

from typing import Any

import numpy as np

from diorama.core import ArraySpec, EnvSpec, HostEnv, SpecError
from diorama.envs.pusht import PushT
from diorama.envs.pusht.env import PushTState, Setting
from diorama.envs.pusht.interface import Absolute, Interface, Relative
from diorama.envs.pusht.render import SIZE
from diorama.envs.pusht.scenario import SCENARIOS, resolve
from diorama.envs.pusht_mujoco import MuJoCoPushT
from diorama.envs.pusht_quasistatic import HostQuasiStaticPushT
from diorama.studio.play.scenes import Observation

_GREY = 30.0
"""How blue the block is, and more [levels]; the agent is bluer."""


def is_push_t(spec: EnvSpec) -> bool:
    """Whether a world is a Push-T table."""
    return spec.name.removeprefix("imagined ").startswith("pusht-")


def interface_of(spec: EnvSpec) -> Interface:
    """What an action of a Push-T table means."""
    return Relative() if "step_x" in spec.action.names or spec.control_period > 0.15 else Absolute()


def pose_of(observation: Observation) -> np.ndarray | None:
    """Agent x, y, block x, y [px] and block angle [rad], float64 [5]; None where only pictures were seen.

    Also of rows ``[S, ...]`` at once, ``[S, 5]``.
    """
    if "features" in observation:
        seen = np.asarray(observation["features"], np.float64)
        angle = np.arctan2(seen[..., 7], seen[..., 6])
        return np.concatenate([seen[..., 0:2], seen[..., 4:6], angle[..., None]], axis=-1)
    if "state" in observation:
        return np.asarray(observation["state"], np.float64)
    return None


def agent_of(observation: Observation) -> np.ndarray | None:
    """Where the agent is [px], [2]: read from the vectors, else found by its colour in a picture; None if unseen."""
    pose = pose_of(observation)
    if pose is not None:
        return pose[:2]
    pictures = [value for value in observation.values() if value.ndim == 3 and value.shape[-1] == 3]
    return _coloured(pictures[0]) if pictures else None


def _coloured(picture: np.ndarray) -> np.ndarray | None:
    """The middle of what is bluer than everything else on the table, also where it is mixed with white."""
    levels = picture.astype(np.float32)
    weight = np.clip(levels[..., 2] - levels[..., :2].mean(axis=-1) - _GREY, 0.0, None)
    if weight.sum() < _GREY:
        return None
    rows, columns = np.indices(weight.shape)
    centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    return (centre + 0.5) * 512.0 / picture.shape[1]


def completed(observation: Observation, wanted: dict[str, ArraySpec]) -> Observation:
    """The ``wanted`` observations of a table that was seen as ``observation``.

    Raises `SpecError` where something is wanted that neither was seen nor follows from the poses.
    """
    missing = {
        name: array for name, array in wanted.items() if name not in observation or _misfits(observation, name, array)
    }
    if not missing:
        return {name: observation[name] for name in wanted}
    pose = pose_of(observation)
    if pose is None:
        raise SpecError(
            f"A picture does not tell {sorted(missing)}; begin this world from the same start instead of from here."
        )
    velocity = np.asarray(observation["features"], np.float64)[2:4] if "features" in observation else np.zeros(2)
    setting = Setting(resolve(SCENARIOS.default(), 1), 1)
    state = PushTState(pose[None, 0:2], velocity[None], pose[None, 2:4], pose[4:5], setting, 0)
    side = next((array.shape[0] for name, array in missing.items() if name == "pixels"), SIZE)
    shown = PushT(None, tuple(missing), pixels=side).observe(state)
    return {name: shown[name][0] if name in missing else observation[name] for name in wanted}


def _misfits(observation: Observation, name: str, array: ArraySpec) -> bool:
    return np.shape(observation[name]) != array.shape


def placed(env: HostEnv, observation: Observation) -> Any:
    """The state of one table that begins as ``observation`` shows. The block is at rest.

    Raises `SpecError` where that cannot be told, or the world is no table.
    """
    pose = pose_of(observation)
    if pose is None:
        raise SpecError("A picture does not tell where the block is; begin from the same start instead of from here.")
    pose = np.append(np.clip(pose[:4], 0.0, None), pose[4])[None]
    scenario = env.spec.scenario.default()
    if isinstance(env, MuJoCoPushT):
        velocity = np.asarray(observation["features"], np.float64)[None, 2:4] if "features" in observation else None
        return env.reset_to(pose, scenario, velocity)
    if isinstance(env, PushT | HostQuasiStaticPushT):
        return env.reset_to(pose, scenario)
    raise SpecError(f"{env.spec.name!r} can only begin from a seed; begin it from the same start.")
