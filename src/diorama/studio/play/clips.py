"""Two clips from the same start under the same actions, one of reality and one of another world, shown alike."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from diorama.core import EnvSpec
from diorama.core.errors import ConfigError
from diorama.core.host_policy import as_host_policy
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.policies import RandomPolicy
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.drives import Drive
from diorama.studio.play.push_t import completed, is_push_t, pose_of
from diorama.studio.play.scenes import Observation, Scene, Start
from diorama.studio.play.stable import Offer, Stable
from diorama.studio.play.starts import seeded
from diorama.studio.play.views import View, view_of

_LEAD = 60
"""Steps of reality in which the stretch of a clip is looked for, beyond the clip's own."""


@dataclass(frozen=True)
class Clips:
    """The view of both clips, the time between two scenes [s], and the clips: one entry for each scene, JSON values."""

    view: dict[str, Any]
    period: float
    real: list[Any]
    imagined: list[Any]


def clip_pair(stable: Stable, offer: Offer, seed: int, config: PlayConfig) -> Clips:
    """The clips of a seed: the same seed gives the same clips.

    Reality is played by a script (tables) or at random (others); the clip is the stretch in which the block, or the
    observation, moves the most. The other world begins at the first scene of that stretch, told what came before.
    """
    real = stable.real(offer.arena)
    if real is None:
        raise ConfigError(f"Nothing stands for reality beside {offer.title}.")
    start = seeded(stable, real, seed)
    scenes, actions = _played(stable.drive(real, start), start, config.clip + _LEAD, seed)
    if len(actions) < config.clip:
        raise ConfigError(f"Reality ends after {len(actions)} steps from seed {seed}, too soon for a clip.")
    first = _liveliest([_place(scene.observation) for scene in scenes], config.clip)
    told = slice(max(first - config.context + 1, 0), first + 1)
    before = tuple(scene.observation for scene in scenes[told])
    here = Start(start.label, before, tuple(actions[told.start : first]), seed)
    drive = stable.drive(offer, here)
    dreamed = [drive.begin(here), *(drive.step(action) for action in actions[first : first + config.clip])]
    # What is real is shown through the other world's eyes, so that only the motion can tell.
    view, spec = view_of(drive.spec), drive.spec
    seen = [Scene(_as_seen(scene.observation, spec)) for scene in scenes[first : first + config.clip + 1]]
    return Clips(view.about, spec.control_period, [_shown(view, s) for s in seen], [_shown(view, s) for s in dreamed])


def _played(drive: Drive, start: Start, steps: int, seed: int) -> tuple[list[Scene], list[np.ndarray]]:
    """Scenes and actions of reality under a script, until it ends."""
    policy = ScriptedPlay() if is_push_t(drive.spec) else as_host_policy(RandomPolicy(drive.spec))
    memory = policy.init(drive.spec, np.array([seed]))
    scenes, actions = [drive.begin(start)], []
    while len(actions) < steps and not scenes[-1].end:
        rows = {name: np.asarray(value)[None] for name, value in scenes[-1].observation.items()}
        action, memory = policy.act(memory, rows)
        actions.append(np.asarray(action)[0])
        scenes.append(drive.step(actions[-1]))
    return scenes, actions


def _place(observation: Observation) -> np.ndarray:
    """What shall move in a clip: the block, or everything."""
    pose = pose_of(observation)
    if pose is not None and len(pose) == 5:
        return np.array([*pose[2:4], 60.0 * np.cos(pose[4]), 60.0 * np.sin(pose[4])])
    return np.concatenate([np.ravel(value).astype(np.float64) for value in observation.values()])


def _liveliest(places: list[np.ndarray], steps: int) -> int:
    """Where the stretch of so many steps begins along which the places move the most."""
    moved = np.linalg.norm(np.diff(np.stack(places), axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(moved)])
    return int(np.argmax(reached[steps:] - reached[: len(reached) - steps]))


def _as_seen(observation: Observation, spec: EnvSpec) -> Observation:
    wanted = dict(spec.observation)
    return completed(observation, wanted) if is_push_t(spec) else {name: observation[name] for name in wanted}


def _shown(view: View, scene: Scene) -> Any:
    """A scene of a clip: a pose to a tenth of a pixel, values to three digits, or a picture as base64."""
    picture = view.picture(scene)
    if picture is not None:
        return base64.b64encode(picture).decode()
    numbers = view.numbers(Scene(scene.observation))
    if "pose" in numbers:
        return [round(value, 1) for value in numbers["pose"][:4]] + [round(numbers["pose"][4], 3)]
    return [float(f"{value:.3g}") for value in numbers["values"]]
