"""Edges that keep their length (see `projection`): Newton's iteration on a chain, and the adjoint of where it ends."""

import math

from diorama.envs.rope.kernel.arrays import (
    COLUMN,
    LIGHT,
    LIGHT_BAR,
    LOWER,
    NEXT,
    NOW,
    OWN,
    POSITION,
    PRESENT,
    RATIO,
    REST_LENGTH,
    RIGHT,
    SPEED_BAR,
    STEP,
    UPPER,
    WORKS,
)
from diorama.envs.rope.kernel.compiled import compiled, compiled_for
from diorama.envs.rope.kernel.elastic import end
from diorama.envs.rope.kernel.vectors import along, copy_rows, dot, gain, get, mul, put, sub

ITERATIONS = 3
_SETTLED = 1e-15


@compiled
def lay_edges(now, make, work):
    """Writes the edges before the sub-step, and which of them are there and can be moved."""
    vertices = now.vertex.shape[0]
    for e in range(now.edge.shape[0]):
        other = end(e, vertices)
        put(work.edge, e, NOW, sub(get(now.vertex, other, POSITION), get(now.vertex, e, POSITION)))
        light = work.vertex[e, LIGHT] + work.vertex[other, LIGHT]
        work.edge[e, WORKS] = 1.0 if make.edge[e, PRESENT] > 0.0 and light > 0.0 else 0.0


@compiled
def look_ahead(make, work, after):
    """Writes the edges after the sub-step at velocities ``after``, and by how much they are too long; the largest."""
    vertices, largest = after.shape[0], 0.0
    for e in range(work.edge.shape[0]):
        speed = sub(get(after, end(e, vertices), 0), get(after, e, 0))
        following = along(get(work.edge, e, NOW), make.number[STEP], speed)
        put(work.edge, e, NEXT, following)
        square = make.edge[e, REST_LENGTH] ** 2
        excess = 0.5 * (dot(following, following) - square) * work.edge[e, WORKS]
        work.chain[RIGHT, e] = excess
        largest = max(largest, math.fabs(excess) / square)
    return largest


@compiled
def fill_chain(work, closed):
    """Writes how the excess of each edge shrinks with the pull before, its own, and after."""
    edges, vertices = work.edge.shape[0], work.vertex.shape[0]
    for e in range(edges):
        lower, own, upper = 0.0, 1.0, 0.0
        if work.edge[e, WORKS] > 0.0:
            first, second = work.vertex[e, LIGHT], work.vertex[end(e, vertices), LIGHT]
            following = get(work.edge, e, NEXT)
            last, coming = e - 1 if e > 0 else edges - 1, e + 1 if e + 1 < edges else 0
            own = (first + second) * dot(following, get(work.edge, e, NOW))
            if closed or e > 0:
                lower = -first * dot(following, get(work.edge, last, NOW)) * work.edge[last, WORKS]
            if closed or e + 1 < edges:
                upper = -second * dot(following, get(work.edge, coming, NOW)) * work.edge[coming, WORKS]
        work.chain[LOWER, e], work.chain[OWN, e], work.chain[UPPER, e] = lower, own, upper


@compiled_for("void(float64[:, ::1], int64)")
def solve_chain(chain, at):
    """Solves the tridiagonal equations in place of row ``at``."""
    last = chain.shape[1] - 1
    inverse = 1.0 / chain[OWN, 0]
    ratio, value = chain[UPPER, 0] * inverse, chain[at, 0] * inverse
    chain[RATIO, 0], chain[at, 0] = ratio, value
    for e in range(1, last + 1):
        inverse = 1.0 / (chain[OWN, e] - chain[LOWER, e] * ratio)
        value = (chain[at, e] - chain[LOWER, e] * value) * inverse
        ratio = chain[UPPER, e] * inverse
        chain[RATIO, e], chain[at, e] = ratio, value
    for e in range(last - 1, -1, -1):
        value = chain[at, e] - chain[RATIO, e] * value
        chain[at, e] = value


@compiled
def solve(chain, closed):
    """Solves in place of the right side; a closed chain has two corners more, a change of rank one."""
    if not closed:
        solve_chain(chain, RIGHT)
        return
    last = chain.shape[1] - 1
    corner, other, scale = chain[LOWER, 0], chain[UPPER, last], -chain[OWN, 0]
    chain[LOWER, 0], chain[UPPER, last] = 0.0, 0.0
    chain[OWN, 0] -= scale
    chain[OWN, last] -= corner * other / scale
    for e in range(last + 1):
        chain[COLUMN, e] = 0.0
    chain[COLUMN, 0] = scale
    chain[COLUMN, last] += other
    solve_chain(chain, RIGHT)
    solve_chain(chain, COLUMN)
    corner /= scale
    share = chain[RIGHT, 0] + corner * chain[RIGHT, last]
    share /= 1.0 + chain[COLUMN, 0] + corner * chain[COLUMN, last]
    for e in range(last + 1):
        chain[RIGHT, e] -= share * chain[COLUMN, e]


@compiled
def keep_lengths(now, make, plan, work, at, pulls):
    """Writes velocities with which each edge ends at its rest length, and the pulls [kg] that it takes."""
    vertices, rate = now.vertex.shape[0], 1.0 / make.number[STEP]
    before, after, pull = work.speed[at], work.speed[at + 1], work.chain[pulls]
    lay_edges(now, make, work)
    for e in range(pull.shape[0]):
        pull[e] = 0.0
    copy_rows(before, after)
    for _ in range(ITERATIONS):
        if look_ahead(make, work, after) < _SETTLED:
            break
        fill_chain(work, plan.closed)
        solve(work.chain, plan.closed)
        copy_rows(before, after)
        for e in range(pull.shape[0]):
            pull[e] += work.chain[RIGHT, e]
            impulse, other = mul(rate * pull[e], get(work.edge, e, NOW)), end(e, vertices)
            gain(after, e, 0, mul(work.vertex[e, LIGHT], impulse))
            gain(after, other, 0, mul(-work.vertex[other, LIGHT], impulse))


@compiled
def transpose(chain, closed):
    """Turns the equations of the chain over."""
    last = chain.shape[1] - 1
    corner, other = chain[LOWER, 0], chain[UPPER, last]
    for e in range(last):
        chain[UPPER, e], chain[LOWER, e + 1] = chain[LOWER, e + 1], chain[UPPER, e]
    if closed:
        chain[LOWER, 0], chain[UPPER, last] = other, corner


@compiled
def keep_lengths_back(now, make, plan, work, at, pulls, to, made):
    """The adjoint of `keep_lengths` where it has converged, on the derivatives by velocities in ``work.vertex``."""
    vertices, edges, step = now.vertex.shape[0], now.edge.shape[0], make.number[STEP]
    look_ahead(make, work, work.speed[at + 1])
    fill_chain(work, plan.closed)
    transpose(work.chain, plan.closed)
    for e in range(edges):
        other = end(e, vertices)
        lever = mul(work.vertex[e, LIGHT], get(work.vertex, e, SPEED_BAR))
        lever = along(lever, -work.vertex[other, LIGHT], get(work.vertex, other, SPEED_BAR))
        work.chain[RIGHT, e] = dot(lever, get(work.edge, e, NOW)) * work.edge[e, WORKS] / step
    solve(work.chain, plan.closed)
    # The lengths hold whatever comes in: a change of velocity or place that breaks them is taken back by the pull.
    for e in range(edges):
        other, weight = end(e, vertices), work.chain[RIGHT, e] * work.edge[e, WORKS]
        made.edge[e, REST_LENGTH] -= weight * make.edge[e, REST_LENGTH]
        change = mul(weight, get(work.edge, e, NEXT))
        gain(to.vertex, e, POSITION, mul(-1.0, change))
        gain(to.vertex, other, POSITION, change)
        gain(work.vertex, e, SPEED_BAR, mul(-step, change))
        gain(work.vertex, other, SPEED_BAR, mul(step, change))
    for e in range(edges):
        other, pull, edge = end(e, vertices), work.chain[pulls, e] / step, get(work.edge, e, NOW)
        first, second = get(work.vertex, e, SPEED_BAR), get(work.vertex, other, SPEED_BAR)
        lever = along(mul(work.vertex[e, LIGHT], first), -work.vertex[other, LIGHT], second)
        gain(to.vertex, e, POSITION, mul(-pull, lever))
        gain(to.vertex, other, POSITION, mul(pull, lever))
        work.vertex[e, LIGHT_BAR] += pull * dot(first, edge)
        work.vertex[other, LIGHT_BAR] -= pull * dot(second, edge)
