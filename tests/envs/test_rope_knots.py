"""Knots of ropes: determinants of knots that are known, and what moves that undo no knot do not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import filter_jit
from diorama.envs.rope.knots import average_crossings, determinant, diagram, knotted

POINTS = 96
told = filter_jit(lambda curve, closing: (diagram(curve).count, determinant(curve, closing), knotted(curve)))


def shared(curve: np.ndarray) -> jnp.ndarray:
    """The same curve with `POINTS` vertices at even distances."""
    size = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=-1)))
    places = np.linspace(0.0, size[-1], POINTS)
    return jnp.asarray(np.stack([np.interp(places, size, column) for column in curve.T], -1), jnp.float32)


def torus(turns: int, windings: int) -> np.ndarray:
    """A closed curve that goes ``turns`` times around an axis and ``windings`` times around its own middle."""
    t = 2.0 * np.pi * np.arange(POINTS) / POINTS + 0.01
    wide = np.cos(windings * t) + 2.0
    return np.stack([wide * np.cos(turns * t), wide * np.sin(turns * t), -np.sin(windings * t)], -1)


def eight() -> np.ndarray:
    """The knot of four crossings."""
    t = 2.0 * np.pi * np.arange(POINTS) / POINTS + 0.01
    wide = 2.0 + np.cos(2.0 * t)
    return np.stack([wide * np.cos(3.0 * t), wide * np.sin(3.0 * t), np.sin(4.0 * t)], -1)


CURVES = {
    "none": (torus(2, 1), 1, 1),
    "trefoil": (torus(2, 3), 3, 3),
    "five, twisted": (torus(2, 5), 5, 5),
    "seven, twisted": (torus(2, 7), 7, 7),
    "eight on a torus": (torus(3, 4), 8, 3),
    "figure of eight": (eight(), 4, 5),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_determinants_are_those_in_the_tables(name: str, side: float) -> None:
    curve, crossed, expected = CURVES[name]
    curve = curve * np.array([1.0, 1.0, side])
    gap = shared(np.concatenate([curve, curve[-1:] + 0.98 * (curve[:1] - curve[-1:])]))
    seen = told(gap, gap[0, 2])
    assert (int(seen[0]), float(seen[1])) == (crossed, expected)


def overhand(extra: float = 0.0) -> np.ndarray:
    """An open trefoil with tails; ``extra`` [rad] turns a further loop into the curve, which is no knot."""
    t = np.linspace(0.6 - np.pi, np.pi - 0.6, POINTS)
    curve = np.stack([np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)], -1)
    tails = [curve[:1] + np.array([[6.0, -6.0, 0.0]]), curve[-1:] + np.array([[-6.0, -6.0, 0.0]])]
    spin = np.linspace(0.0, extra, 24)[1:-1, None]
    out = np.concatenate([np.cos(spin) - 1.0, np.sin(spin), 0.1 * spin], -1) - 0.3 * spin * np.array([1.0, 1.0, 0.0])
    tail = np.concatenate([tails[1] + out, tails[1] + np.array([[-12.0, -2.0, 0.0]])]) if extra else tails[1]
    return np.concatenate([tails[0], curve, tail])


def test_an_open_rope_has_a_knot_until_its_tail_is_drawn_out() -> None:
    zero, rope = jnp.zeros(()), overhand()
    knot, looped, drawn = (told(shared(curve), zero) for curve in (rope, overhand(7.0), rope[40:]))
    assert bool(knot[2]) and bool(looped[2]) and not bool(drawn[2])
    assert int(knot[0]) == 3 < int(looped[0])
    assert 0 < int(drawn[0]) < 3
    # A tangle of more crossings than are looked at is taken for a knot.
    many = np.random.default_rng(0).normal(size=(POINTS, 3)).astype(np.float32)
    assert bool(told(jnp.asarray(many), zero)[2])


def test_the_average_of_crossings_is_that_over_views() -> None:
    line = np.linspace(0.0, 1.0, 20)[:, None] * np.array([[1.0, 0.5, 0.2]])
    average, knot = filter_jit(average_crossings), shared(overhand())
    assert float(average(shared(line), jnp.asarray(1e-4))) == pytest.approx(0.0, abs=1e-5)
    views = np.random.default_rng(1).normal(size=(300, 3, 3))
    turns = jnp.asarray(np.linalg.qr(views)[0], jnp.float32)
    counted = filter_jit(jax.vmap(lambda turn: diagram(knot @ turn.T).count))(turns).mean()
    assert float(average(knot, jnp.asarray(1e-4))) == pytest.approx(float(counted), rel=0.05)
