"""What pushing ends with: phases, features of the last seconds, and the seed taxonomy mapped to Push-T.

The features read the observations ``state`` or ``features`` of a Push-T trajectory ``[N, ...]``; lengths are in px.
"""

from collections.abc import Mapping

import numpy as np

from diorama.core import Trajectory
from diorama.envs.pusht.geometry import UNIT_REACH, centre_of_gravity, wrap_angle
from diorama.envs.pusht.invariants import clearance, poses
from diorama.envs.pusht.scenario import exact
from diorama.evaluate.failures.taxonomy import Rule, Ways

WINDOW = 15
"""Steps of the terminal window."""
TOUCHES = 4.0
"""The agent touches the block where their outlines are this near [px]."""
NEAR = 40.0
"""The block is near its goal within this distance [px]."""
PHASES = ("searching", "in contact", "pushing", "near the goal", "placed")
_PLACE, _TURN = 20.0, np.pi / 9
_STILL = 3.0
_LEVER = UNIT_REACH * 30.0


def pushing_endings(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Features of each episode [N] by name.

    ``distance`` and ``turn``: of the block from its goal at the end [px, rad]; ``least``: the least distance; ``begun``
    and ``begun_turn``: at the start; ``turned``: how far it was turned; ``touched``: share of the steps in contact, and
    ``touching`` of the window; ``agent_path`` and ``block_path``: in the window [px]; ``edge``: how far the block is
    from the nearest edge of the table [px].
    """
    agent, block, angle = poses({name: np.asarray(values) for name, values in trajectory.observation.items()})
    position, wanted = exact(trajectory.scenario, "goal_position"), exact(trajectory.scenario, "goal_angle")
    position = np.broadcast_to(position, (len(block), 2))
    away = np.linalg.norm(block - position[:, None, :], axis=-1)
    turn = np.abs(wrap_angle(angle - np.broadcast_to(wanted, len(block))[:, None]))
    steps = np.asarray(trajectory.mask).sum(axis=1)
    mask = np.arange(away.shape[1])[None, :] <= steps[:, None]
    last = mask & (np.arange(away.shape[1])[None, :] > (steps - WINDOW)[:, None])
    touch = clearance(agent, block, angle) < TOUCHES
    row = np.arange(len(block))
    centre = centre_of_gravity(block, angle)
    return {
        "distance": away[row, steps],
        "turn": turn[row, steps],
        "least": np.where(mask, away, np.inf).min(axis=1),
        "begun": away[:, 0],
        "begun_turn": turn[:, 0],
        "turned": _path(np.unwrap(angle, axis=1)[..., None], mask),
        "touched": (touch & mask).sum(axis=1) / mask.sum(axis=1),
        "touching": (touch & last).sum(axis=1) / np.maximum(last.sum(axis=1), 1),
        "agent_path": _path(agent, last),
        "block_path": _path(centre, last),
        "edge": np.minimum(centre, 512.0 - centre)[row, steps].min(axis=1),
    }


def pushing_phases(endings: Mapping[str, np.ndarray]) -> np.ndarray:
    """The last of `PHASES` that each episode reached, by name [N]."""
    moved = np.abs(endings["begun"] - endings["least"]) > 10.0
    place = np.select(
        [
            (endings["least"] < _PLACE) & (endings["turn"] < _TURN),
            endings["least"] < NEAR,
            (endings["touched"] > 0) & moved,
            endings["touched"] > 0,
        ],
        [4, 3, 2, 1],
        0,
    )
    return np.array(PHASES, object)[place]


def _path(points: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far something moved over the steps whose ends are both in ``mask`` [N, T + 1]: [N]."""
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    return np.where(mask[:, 1:] & mask[:, :-1], steps, 0.0).sum(axis=1)


def _placed(e: Mapping[str, np.ndarray]) -> np.ndarray:
    return e["distance"] < _PLACE


PUSHING = (
    Rule("never touched the block", "incomplete grasp", "no contact in the whole episode", lambda e: e["touched"] == 0),
    Rule("pushed against the wall", "wrong target", "the block ends at the edge", lambda e: e["edge"] < _LEVER + 10.0),
    Rule(
        "did not turn the block",
        "missing rotation",
        "in its place, off by more than 20 degrees, and turned by less than half of what was needed",
        lambda e: _placed(e) & (e["turn"] >= _TURN) & (e["turned"] < 0.5 * e["begun_turn"]),
    ),
    Rule(
        "in place, at a wrong angle",
        "rotation error",
        "within 20 px of its place and off by more than 20 degrees",
        lambda e: _placed(e) & (e["turn"] >= _TURN),
    ),
    Rule(
        "stalled",
        "",
        "the agent moved less than 3 px a step at the end",
        lambda e: e["agent_path"] < _STILL * WINDOW,
    ),
    Rule(
        "was there, and pushed it away",
        "wrong order",
        "came within 20 px and ended more than 20 px farther",
        lambda e: (e["least"] < _PLACE) & (e["distance"] > e["least"] + 20.0),
    ),
    Rule(
        "slipped off",
        "slip",
        "moves at the end, but touches the block in less than a fifth of the last steps",
        lambda e: (e["touching"] < 0.2) & (e["block_path"] < 10.0),
    ),
    Rule("short of the last millimetres", "", "within 20 px and 20 degrees, yet no success", _placed),
    Rule("beside its place", "translation error", "more than 20 px off", lambda e: ~_placed(e)),
)
"""The taxonomy mapped to pushing: the first rule that holds names the failure."""
WAYS = Ways(pushing_endings, pushing_phases, PUSHING)
