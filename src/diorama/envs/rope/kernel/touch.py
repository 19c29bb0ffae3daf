"""Contact of a rope with itself, or of ropes in one set of arrays (see `self_contact`): pairs of edges, push, friction.

Pairs that may touch soon are listed by cells of space, and the list is kept until something has moved by half of the
distance by which it looks ahead. So what a sub-step finds does not depend on the list.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from diorama.envs.rope.kernel.arrays import (
    DAMPING,
    FORCE,
    GRASPED,
    INERTIA,
    ITSELF,
    KINETIC,
    LIGHT,
    POSITION,
    PRESENT,
    RADIUS,
    REST_LENGTH,
    SIZE,
    SMOOTHING,
    STATIC,
    STEP,
    STIFFNESS,
    TANGENT,
    VELOCITY,
)
from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.elastic import end
from diorama.envs.rope.kernel.ground import coulomb, ramp
from diorama.envs.rope.kernel.vectors import along, copy_rows, cross, dot, fill, gain, get, mul, norm, put, sub

NEIGHBOURS = 2
PARALLEL = 1e-3
PAIRS, TOUCHING = 0, 1
ONE, OTHER, APART, LOAD = 0, 1, 2, 5
PAIR_TOLD_BAR, PAIR_APART_BAR, ONE_BAR, OTHER_BAR, LOAD_BAR = 6, 9, 12, 13, 14
AHEAD = 0.5
"""How far the list looks ahead, in lengths of an edge."""


class Touch(NamedTuple):
    """Room for pairs of edges.

    ``count`` [2]: listed pairs (-1: no list yet), pairs that touch. ``listed`` and ``who`` [P, 2]: their edges.
    ``row`` [P, 15] and ``told`` [C + 1, P, 3]: of pairs that touch. ``anchor`` [V, 3]: where the list was made.
    ``head``, ``link`` and ``cell``: edges by cells. ``busy`` [V, 2]: how many pairs touch a vertex and an edge.
    """

    count: Any
    listed: Any
    who: Any
    row: Any
    told: Any
    anchor: Any
    head: Any
    link: Any
    cell: Any
    busy: Any


def touch_room(vertices: int, edges: int, sweeps: int, itself: bool) -> Touch:
    """Empty `Touch`, with room for all pairs."""
    pairs = edges * (edges - 1) // 2 if itself else 0
    many = edges if itself else 0
    return Touch(
        np.full(2, -1),
        np.zeros((pairs, 2), np.int64),
        np.zeros((pairs, 2), np.int64),
        np.zeros((pairs, 15)),
        np.zeros((sweeps + 1, pairs, 3)),
        np.zeros((vertices, 3)),
        np.zeros(2 * many + 1, np.int64),
        np.zeros(many, np.int64),
        np.zeros((many, 3), np.int64),
        np.zeros((vertices, 2)),
    )


@compiled
def list_pairs(now, plan, touch, reach):
    """Lists the pairs of edges whose middles are within ``reach`` [m]."""
    vertices, edges, cells = now.vertex.shape[0], now.edge.shape[0], touch.head.shape[0]
    for k in range(cells):
        touch.head[k] = -1
    count = 0
    for e in range(edges):
        middle = mul(0.5, along(get(now.vertex, e, POSITION), 1.0, get(now.vertex, end(e, vertices), POSITION)))
        for k in range(3):
            touch.cell[e, k] = math.floor(middle[k] / reach)
        for around in range(27):
            x = touch.cell[e, 0] + around % 3 - 1
            y = touch.cell[e, 1] + around // 3 % 3 - 1
            z = touch.cell[e, 2] + around // 9 - 1
            o = touch.head[bucket(x, y, z, cells)]
            while o >= 0:
                same = touch.cell[o, 0] == x and touch.cell[o, 1] == y and touch.cell[o, 2] == z
                apart = e - o
                if same and apart > NEIGHBOURS and not (plan.closed and edges - apart <= NEIGHBOURS):
                    touch.listed[count, 0], touch.listed[count, 1] = o, e
                    count += 1
                o = touch.link[o]
        home = bucket(touch.cell[e, 0], touch.cell[e, 1], touch.cell[e, 2], cells)
        touch.link[e] = touch.head[home]
        touch.head[home] = e
    for i in range(vertices):
        put(touch.anchor, i, 0, get(now.vertex, i, POSITION))
    touch.count[PAIRS] = count


@compiled
def bucket(x, y, z, cells):
    """Where a cell is filed."""
    return (x * 73856093 ^ y * 19349663 ^ z * 83492791) % cells


@compiled
def refresh_pairs(now, make, plan, work, touch):
    """Lists the pairs again if something may have come near that is not listed."""
    longest = 0.0
    for e in range(now.edge.shape[0]):
        if make.edge[e, PRESENT] > 0.0:
            longest = max(longest, work.edge[e, SIZE])
    near = longest + 2.0 * make.number[RADIUS] + make.number[ITSELF + SMOOTHING]
    ahead = AHEAD * longest
    moved = 0.0
    for i in range(now.vertex.shape[0]):
        way = sub(get(now.vertex, i, POSITION), get(touch.anchor, i, 0))
        moved = max(moved, dot(way, way))
    if touch.count[PAIRS] < 0 or math.sqrt(moved) > 0.4 * ahead:
        list_pairs(now, plan, touch, near + ahead)


@compiled
def corners(now, e, o, at):
    """A value of the two vertices of each of two edges."""
    vertices = now.vertex.shape[0]
    return (
        get(now.vertex, e, at),
        get(now.vertex, end(e, vertices), at),
        get(now.vertex, o, at),
        get(now.vertex, end(o, vertices), at),
    )


@compiled
def weighted(corner, one, other):
    """The value at one point of the first edge less that at another of the second."""
    first = along(corner[0], one, sub(corner[1], corner[0]))
    return sub(first, along(corner[2], other, sub(corner[3], corner[2])))


@compiled
def clipped(value):
    """Between 0 and 1."""
    return min(max(value, 0.0), 1.0)


@compiled
def nearest(first, second, between):
    """Where two segments are nearest, as shares of each (see `self_contact.nearest`)."""
    a, e, b = dot(first, first), dot(second, second), dot(first, second)
    c, f = dot(first, between), dot(second, between)
    pull = PARALLEL * math.sqrt(a * e)
    a, e, c, f = a + pull, e + pull, c + 0.5 * pull, f - 0.5 * pull
    share = clipped((c * e - b * f) / (a * e - b * b))
    other = clipped((b * share - f) / e)
    return clipped((b * other + c) / a), other


@compiled
def find_touches(now, make, plan, work, touch):
    """Finds the pairs that touch, and adds their push to the forces."""
    number, vertices, count = make.number, now.vertex.shape[0], 0
    refresh_pairs(now, make, plan, work, touch)
    fill(touch.busy, 0.0)
    thick, smoothing = 2.0 * number[RADIUS], number[ITSELF + SMOOTHING]
    for p in range(touch.count[PAIRS]):
        e, o = touch.listed[p, 0], touch.listed[p, 1]
        place = corners(now, e, o, POSITION)
        lead = along(along(along(place[0], 1.0, place[1]), -1.0, place[2]), -1.0, place[3])
        reach = work.edge[e, SIZE] + work.edge[o, SIZE] + 2.0 * (thick + smoothing)
        if dot(lead, lead) > reach * reach or make.edge[e, PRESENT] * make.edge[o, PRESENT] == 0.0:
            continue
        one, other = nearest(sub(place[1], place[0]), sub(place[3], place[2]), sub(place[2], place[0]))
        apart = weighted(place, one, other)
        size = norm(apart)
        if size - thick >= smoothing or size == 0.0:
            continue
        closing = dot(weighted(corners(now, e, o, VELOCITY), one, other), apart) / size
        stiff = number[ITSELF + STIFFNESS] * 0.5 * (make.edge[e, REST_LENGTH] + make.edge[o, REST_LENGTH])
        push = stiff * ramp(size - thick, smoothing) * (1.0 + number[ITSELF + DAMPING] * max(-closing, 0.0))
        touch.who[count, 0], touch.who[count, 1] = e, o
        touch.row[count, ONE], touch.row[count, OTHER], touch.row[count, LOAD] = one, other, push
        put(touch.row, count, APART, apart)
        spread(work.vertex, FORCE, e, o, one, other, mul(push / size, apart))
        for edge in (e, o):
            touch.busy[edge, 0] += 1.0
            touch.busy[end(edge, vertices), 0] += 1.0
            touch.busy[edge, 1] += 1.0
        count += 1
    touch.count[TOUCHING] = count


@compiled
def spread(rows, at, e, o, one, other, value):
    """Adds a force on the first edge, and its opposite on the second, to the vertices."""
    vertices = rows.shape[0]
    gain(rows, e, at, mul(1.0 - one, value))
    gain(rows, end(e, vertices), at, mul(one, value))
    gain(rows, o, at, mul(other - 1.0, value))
    gain(rows, end(o, vertices), at, mul(-other, value))


@compiled
def turning(then, work, speeds, spins, e):
    """How fast an edge and its section turn [rad/s]."""
    tangent = get(then.edge, e, TANGENT)
    change = sub(get(speeds, end(e, speeds.shape[0]), 0), get(speeds, e, 0))
    return along(mul(spins[e], tangent), 1.0 / work.edge[e, SIZE], cross(tangent, change))


@compiled
def yielding(make, grip, work, touch, p):
    """At most how fast the surfaces of a pair slide after a friction of 1 N s on all pairs [1/kg]."""
    vertices, half, sum_ = work.vertex.shape[0], 0.5 * norm(get(touch.row, p, APART)), 0.0
    for side in range(2):
        e, share = touch.who[p, side], touch.row[p, ONE + side]
        second, lever = end(e, vertices), half / work.edge[e, SIZE]
        sum_ += (1.0 - share + lever) ** 2 * touch.busy[e, 0] * work.vertex[e, LIGHT]
        sum_ += (share + lever) ** 2 * touch.busy[second, 0] * work.vertex[second, LIGHT]
        sum_ += half * half * touch.busy[e, 1] * (1.0 - grip.edge[e, GRASPED]) / make.edge[e, INERTIA]
    return sum_


@compiled
def rub_pairs(then, make, grip, work, touch, at, sweep):
    """Writes velocities and spins after friction of all pairs at once, and its impulses so far."""
    before, after = work.speed[at], work.speed[at + 1]
    spins, spun, told, telling = work.spin[sweep], work.spin[sweep + 1], touch.told[sweep], touch.told[sweep + 1]
    copy_rows(before, after)
    for e in range(spins.shape[0]):
        spun[e] = spins[e]
    for p in range(touch.count[TOUCHING]):
        impulse = friction(then, make, grip, work, touch, before, spins, told, p)[0]
        put(telling, p, 0, impulse)
        more = sub(impulse, get(told, p, 0))
        couple = mul(-0.5, cross(get(touch.row, p, APART), more))
        for side in range(2):
            edge = touch.who[p, side]
            share, sign, second = touch.row[p, ONE + side], 1.0 - 2.0 * side, end(edge, before.shape[0])
            tangent = get(then.edge, edge, TANGENT)
            twist = mul(1.0 / work.edge[edge, SIZE], cross(couple, tangent))
            light = work.vertex[edge, LIGHT], work.vertex[second, LIGHT]
            gain(after, edge, 0, mul(light[0], along(mul(sign * (1.0 - share), more), -1.0, twist)))
            gain(after, second, 0, mul(light[1], along(mul(sign * share, more), 1.0, twist)))
            spun[edge] += (1.0 - grip.edge[edge, GRASPED]) / make.edge[edge, INERTIA] * dot(couple, tangent)


@compiled
def friction(then, make, grip, work, touch, speeds, spins, told, p):
    """The impulse of friction of a pair, the wanted one, the velocity between its surfaces, what turns, what yields."""
    number, e, o = make.number, touch.who[p, 0], touch.who[p, 1]
    one, other, apart = touch.row[p, ONE], touch.row[p, OTHER], get(touch.row, p, APART)
    vertices = speeds.shape[0]
    first = along(get(speeds, e, 0), one, sub(get(speeds, end(e, vertices), 0), get(speeds, e, 0)))
    second = along(get(speeds, o, 0), other, sub(get(speeds, end(o, vertices), 0), get(speeds, o, 0)))
    turn = along(turning(then, work, speeds, spins, e), 1.0, turning(then, work, speeds, spins, o))
    speed = along(sub(first, second), -0.5, cross(turn, apart))
    normal = mul(1.0 / norm(apart), apart)
    sliding = along(speed, -dot(speed, normal), normal)
    soft = yielding(make, grip, work, touch, p)
    wanted = along(get(told, p, 0), -1.0 / soft if soft > 0.0 else 0.0, sliding)
    if soft == 0.0:
        wanted = (0.0, 0.0, 0.0)
    budget = touch.row[p, LOAD] * number[STEP]
    return coulomb(wanted, number[ITSELF + STATIC], number[ITSELF + KINETIC], budget), wanted, speed, turn, soft
