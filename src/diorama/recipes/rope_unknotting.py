"""What is to be done next with a rope on the floor, from its crossings: draw a tail out of a knot, or the ends apart.

A knot is undone by one of its tails: as many crossings are counted from that end as must go before the rest has no knot
(`diorama.envs.rope.knots`). Whatever is grasped, the rope must slide through those crossings, away from that end.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import field, filter_jit
from diorama.envs.rope.knots import MOST, diagram, knotted
from diorama.envs.rope.tasks.task import Scene
from diorama.recipes.rope_subgoals import FLAT, UP, Skill, SubGoal, spacing, turned, unit

_KNOT_WEIGHT = 0.5
_LOW, _TURNS, _CUTS = 0.02, (0.0, 0.9, -0.9), 6
_SPREADS = ((0.0, 1.0), (0.0, 1.5), (0.0, 2.0), (0.0, 3.0), (0.9, 2.0), (-0.9, 2.0))
_SHARES = ((0.0, 0.34), (0.0, 0.67), (0.0, 1.0), (0.34, 1.0), (0.68, 1.0), (1.0, 0.87), (1.0, 0.54), (0.85, 0.26))
"""Of lifting, carrying out and laying down: shares of the distance outwards and of the height."""


@dataclass(frozen=True)
class DrawOut(SubGoal):
    """The tail from the ``end`` is drawn through its first crossings and out of the knot."""

    highest: float

    def ways(self, rope: np.ndarray, grasp: int) -> list[np.ndarray]:
        """Up by as much as the tail to the grasp is long, outwards in three directions and two distances, and down."""
        foot = rope[grasp] * FLAT
        tail = abs(grasp - self.end) * spacing(rope)
        height = min(tail + 0.06, self.highest)
        out = unit((rope[grasp] - rope.mean(0)) * FLAT)
        ways = []
        for turn in _TURNS:
            for far in (0.3, 0.47):
                aim = far * turned(out, turn)
                places = [foot + share * aim + max(up * height, _LOW) * UP for share, up in _SHARES]
                ways.append(np.stack([rope[grasp], *places, foot + 0.64 * aim + _LOW * UP]))
        return ways

    def said(self, place: int) -> str:
        """See `SubGoal`."""
        return f"draw the tail that ends near place {place} out of the knot"


@dataclass(frozen=True)
class Spread(SubGoal):
    """The ``end`` goes away from the other end of the rope, until they are ``apart`` [m]."""

    apart: float

    def ways(self, rope: np.ndarray, grasp: int) -> list[np.ndarray]:
        """Along the floor: straight by four distances, and aside to either hand."""
        other = rope[-1] if self.end == 0 else rope[0]
        out = unit((rope[self.end] - other) * FLAT)
        lacks = max(self.apart - float(np.linalg.norm((rope[self.end] - other) * FLAT)), 0.0) + 0.05
        start = rope[grasp] * FLAT + _LOW * UP
        return [np.stack([rope[grasp], start, start + lacks * more * turned(out, turn)]) for turn, more in _SPREADS]

    def said(self, place: int) -> str:
        """See `SubGoal`."""
        return f"move the end near place {place} away from the other end"


class Unknot(Skill):
    """Draws a tail out of the knot, then the ends apart. A knot counts as 0.5 m."""

    length: int = field(static=True, default=15)

    def sub_goals(self, scene: Scene) -> list[SubGoal]:
        """One for each end of the rope that can be used."""
        rope = np.asarray(scene.body.position, np.float64)
        if bool(_knotted(scene.body.position)):
            return drawn_out(rope, float(scene.high[2]) - 0.04)
        last, apart = len(rope) - 1, float(scene.goal[0])
        ends = ((0, rope[0] - rope[-1]), (last, rope[-1] - rope[0]))
        anywhere = np.ones(len(rope), bool)
        return [
            Spread(np.array([end]), unit(away * FLAT)[None], np.ones(1), end, anywhere, apart) for end, away in ends
        ]

    def undone(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See `Skill`."""
        return _KNOT_WEIGHT * knotted(vertices)


def drawn_out(rope: np.ndarray, highest: float) -> list[SubGoal]:
    """One sub-goal for each end of a rope [V, 3] with a knot from which it can be undone."""
    last, goals = len(rope) - 1, list[SubGoal]()
    for end, inwards in ((0, 1), (last, -1)):
        places = to_undo(rope[::inwards])
        if not places:
            continue
        vertices = np.array([end + inwards * round(place) for place in places])
        behind, ahead = (np.clip(vertices + step, 0, last) for step in (-inwards, inwards))
        along = np.stack([unit(way) for way in rope[ahead] - rope[behind]])
        goals.append(DrawOut(vertices, along, np.ones(len(vertices)), end, np.ones(len(rope), bool), highest))
    return goals


def to_undo(rope: np.ndarray) -> list[float]:
    """Where along the rope [V, 3] its first crossings are that must go to leave no knot; none if none help."""
    places = crossings_met(rope)[: 2 * _CUTS]
    if len(places) < 2:
        return []
    cuts = [0.5 * (one + other) for one, other in zip(places, [*places[1:], len(rope) - 1.0], strict=True)]
    rests = jnp.stack([_rest(rope, cut) for cut in cuts] + [_rest(rope, cuts[-1])] * (2 * _CUTS - len(cuts)))
    free = ~np.asarray(_all_knotted(rests))[: len(cuts)]
    return places[: int(np.argmax(free)) + 1] if free.any() else []


def crossings_met(rope: np.ndarray) -> list[float]:
    """Numbers of vertices, with shares of edges, at which a rope [V, 3] meets a crossing, from its first vertex on."""
    seen = _diagram(jnp.asarray(rope, jnp.float32))
    count = min(int(seen.count), MOST)
    return sorted(float(place) for places in (seen.over, seen.under) for place in np.asarray(places)[:count])


_knotted, _diagram, _all_knotted = filter_jit(knotted), filter_jit(diagram), filter_jit(jax.vmap(knotted))


def _rest(rope: np.ndarray, cut: float) -> jnp.ndarray:
    """The rope from a place on, with as many vertices."""
    places, index = np.linspace(cut, len(rope) - 1.0, len(rope)), np.arange(len(rope))
    return jnp.asarray(np.stack([np.interp(places, index, column) for column in rope.T], -1), jnp.float32)
