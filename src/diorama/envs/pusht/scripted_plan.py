"""Choosing pushes: a beam search over sequences of up to three pushes of the T block, from the table of outcomes."""

import functools
from dataclasses import dataclass

import numpy as np

from diorama.envs.pusht.geometry import wrap_angle
from diorama.envs.pusht.scripted_pushes import CENTRE_OF_GRAVITY, OUTLINE, compose, push_table, rotate
from diorama.envs.pusht.scripted_roadmap import relax, roadmap, ways

TURN_ARM = 61.0
"""px per rad: a turn that costs as much coverage as a shift. 0.0424 rad or 2.6 px each uncover 5 % of the T."""
WALL_LOW, WALL_HIGH = 8.0, 503.0
AGENT_LOW, AGENT_HIGH = 2.0, 510.0
DEPTH, BEAM = 3, 120
_FINE_LENGTHS = np.r_[6:30, 32:60:2, 60:151:5] - 1
_COARSE_LENGTHS = np.r_[7:20:1, 20:44:3, 44:100:7, 105:151:15] - 1
_COARSE_DIRECTIONS = 3
_LEAST_MOTION, _LEAST_SHARE = 0.7, 0.12


@dataclass(frozen=True)
class Pace:
    """What pushes cost, in units of 0.2 s: px per unit while travelling and pushing, and a fixed cost of each push."""

    travel: float
    push: float
    overhead: float = 4.0


@dataclass(frozen=True, eq=False)
class Push:
    """A chosen push: from the roadmap's ``place`` straight along ``direction`` [2] (in the world) for ``length`` px."""

    place: int
    direction: np.ndarray
    length: float


@dataclass(frozen=True, eq=False)
class _Moves:
    """M pushes: contact [M], direction's index [M], length [M] (px), the block's motion [M, 3] and its size [M]."""

    contact: np.ndarray
    direction: np.ndarray
    length: np.ndarray
    motion: np.ndarray
    size: np.ndarray


def pose_error(pose: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Distance [N] in px between poses [N, 3] and a goal pose [3], with turns weighed by `TURN_ARM`."""
    shift = ((pose[..., :2] - goal[:2]) ** 2).sum(-1)
    return np.sqrt(shift + (TURN_ARM * wrap_angle(pose[..., 2] - goal[2])) ** 2)


def remaining_time(error: np.ndarray) -> np.ndarray:
    """A guess of the time (units of 0.2 s) from an ``error`` [...] in px to the goal.

    What is not solved costs one push at least; each further push divides the error; far blocks take long pushes.
    """
    unsolved = (error / 1.2) ** 2
    return 12.0 * unsolved / (1.0 + unsolved) + 6.0 * np.log1p(error / 2.0) + 0.15 * error


def wall_overlap(pose: np.ndarray) -> np.ndarray:
    """How far [N] blocks at poses [N, 3] reach beyond the walls (px, the worst corner)."""
    corners = pose[..., None, :2] + rotate(OUTLINE - CENTRE_OF_GRAVITY, pose[..., 2:3])
    return np.maximum(np.maximum(WALL_LOW - corners, corners - WALL_HIGH).max((-1, -2)), 0.0)


def plan_push(
    pose: np.ndarray, agent: np.ndarray, goal: np.ndarray, pace: Pace, rng: np.random.Generator
) -> Push | None:
    """The first push of the cheapest sequence that brings a block at ``pose`` [3] to ``goal`` [3].

    None where no push can be reached. ``agent`` [2] is where the agent stands (px); ``rng`` draws how much each push
    is liked.
    """
    moves = _fine_moves()
    after = compose(pose, moves.motion)
    taste = rng.uniform(0.9, 1.2, len(moves.length) // len(_FINE_LENGTHS)).repeat(len(_FINE_LENGTHS))
    travel = ways(pose, agent).length[moves.contact] / pace.travel
    # Without a least size the beam fills with cheap pushes that put the work off.
    least = max(_LEAST_MOTION, _LEAST_SHARE * float(pose_error(pose[None], goal)[0]))
    cost = (travel + moves.length / pace.push + pace.overhead) * taste + _hazard(pose, after, moves, least)
    score = cost + remaining_time(pose_error(after, goal))
    kept = _best(score, len(_FINE_LENGTHS), 3, BEAM)
    if len(kept) == 0:
        return None
    winner, best = kept[0], score[kept[0]]
    first, contact, after, cost = kept, moves.contact[kept], after[kept], cost[kept]
    for _ in range(DEPTH - 1):
        row, contact, after, cost = _extend(contact, after, cost, goal, pace)
        first = first[row]
        score = cost + remaining_time(pose_error(after, goal))
        if score.min() < best:
            winner, best = first[score.argmin()], score.min()
    return _push(moves, int(winner), pose)


def pick_push(
    pose: np.ndarray, agent: np.ndarray, aim: np.ndarray, rng: np.random.Generator, choices: int = 64
) -> Push | None:
    """Of some randomly drawn pushes the one that brings the block nearest to ``aim`` [3]; None: none is reachable."""
    moves = _fine_moves()
    drawn = rng.integers(0, len(moves.length), choices)
    moves = _Moves(
        moves.contact[drawn], moves.direction[drawn], moves.length[drawn], moves.motion[drawn], moves.size[drawn]
    )
    after = compose(pose, moves.motion)
    travel = ways(pose, agent).length[moves.contact]
    score = pose_error(after, aim) + 0.1 * travel + 20.0 * _hazard(pose, after, moves, _LEAST_MOTION)
    chosen = int(score.argmin())
    return _push(moves, chosen, pose) if np.isfinite(score[chosen]) else None


def _push(moves: _Moves, chosen: int, pose: np.ndarray) -> Push:
    contact, direction = moves.contact[chosen], moves.direction[chosen]
    return Push(int(contact), rotate(push_table().direction[contact, direction], pose[2]), float(moves.length[chosen]))


def _moves(directions: int, lengths: np.ndarray) -> _Moves:
    """Pushes of all contacts; contact is the slowest index, length the fastest."""
    table = push_table()
    grid = np.meshgrid(np.arange(len(table.start)), np.arange(directions), lengths, indexing="ij")
    contact, direction, length = (axis.ravel() for axis in grid)
    motion = table.motion[contact, direction, length]
    size = np.linalg.norm(motion * [1.0, 1.0, TURN_ARM], axis=-1)
    return _Moves(contact, direction, length + 1.0, motion, size)


@functools.cache
def _fine_moves() -> _Moves:
    return _moves(push_table().direction.shape[1], _FINE_LENGTHS)


@functools.cache
def _coarse_moves() -> _Moves:
    return _moves(_COARSE_DIRECTIONS, _COARSE_LENGTHS)


@functools.cache
def _between() -> np.ndarray:
    """Lengths [C, C] of the shortest ways from each contact to each other one, far from the walls."""
    graph = roadmap()
    count = len(push_table().start)
    return np.stack([relax(graph.way[index], graph.way)[0] for index in range(count)])[:, :count]


def _best(score: np.ndarray, size: int, each: int, count: int) -> np.ndarray:
    """Indices of the ``count`` lowest finite scores [M], at most ``each`` of ``size`` consecutive ones, best first."""
    rows = score.reshape(-1, size)
    chosen = np.argpartition(rows, each - 1, axis=1)[:, :each] if each > 1 else rows.argmin(1)[:, None]
    chosen = (np.arange(len(rows))[:, None] * size + chosen).ravel()
    chosen = chosen[np.argsort(score[chosen], kind="stable")][:count]
    return chosen[np.isfinite(score[chosen])]


def _hazard(pose: np.ndarray, after: np.ndarray, moves: _Moves, least: float) -> np.ndarray:
    """Extra cost [M] of pushes beyond the walls, where the table is wrong, and of motions of up to ``least`` px."""
    path = push_table().agent[moves.contact, moves.direction, moves.length.astype(int) - 1]
    end = pose[:2] + rotate(path, pose[2])
    forbidden = ((end < AGENT_LOW) | (end > AGENT_HIGH)).any(-1) | (moves.size <= least)
    return np.where(forbidden, np.inf, 0.0) + 0.5 * np.minimum(wall_overlap(after), 40.0)


def _extend(
    contact: np.ndarray, pose: np.ndarray, cost: np.ndarray, goal: np.ndarray, pace: Pace
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The beam one push longer: which entry each new one continues [K], its contact [K], pose [K, 3] and cost [K]."""
    moves = _coarse_moves()
    stroke = np.where(moves.size > _LEAST_MOTION, moves.length / pace.push + pace.overhead, np.inf).astype(np.float32)
    travel = (cost[:, None] + _between()[contact] / pace.travel).astype(np.float32)
    score = remaining_time(_error_after(pose, moves.motion, goal))
    size = len(moves.length) // travel.shape[1]
    score = (score.reshape(len(pose), -1, size) + travel[..., None]).reshape(len(pose), -1) + stroke
    kept = _best(score.ravel(), size, 1, BEAM)
    row, move = np.divmod(kept, len(moves.length))
    after = compose(pose[row], moves.motion[move])
    cost = (travel[row, moves.contact[move]] + stroke[move]).astype(np.float64)
    return row, moves.contact[move], after, cost + 0.3 * np.minimum(wall_overlap(after), 40.0)


def _error_after(pose: np.ndarray, motion: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """`pose_error` [K, M] of every pose [K, 3] after every motion [M, 3], as matrix products in float32."""
    cosine, sine, one = np.cos(pose[:, 2]), np.sin(pose[:, 2]), np.ones(len(motion))
    terms = np.stack([one, motion[:, 0], motion[:, 1]]).astype(np.float32)
    x = np.stack([pose[:, 0] - goal[0], cosine, -sine], 1).astype(np.float32) @ terms
    y = np.stack([pose[:, 1] - goal[1], sine, cosine], 1).astype(np.float32) @ terms
    turn = wrap_angle(pose[:, 2] - goal[2]).astype(np.float32)[:, None] + motion[:, 2].astype(np.float32)
    turn -= np.float32(2 * np.pi) * np.rint(turn / np.float32(2 * np.pi))
    return np.sqrt(x * x + y * y + np.float32(TURN_ARM**2) * turn * turn)
