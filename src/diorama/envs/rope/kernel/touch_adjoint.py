"""The adjoint of `touch`: of the push between edges, of where they are nearest, and of friction at their surfaces."""

import math

from diorama.envs.rope.kernel.arrays import (
    DAMPING,
    FORCE_BAR,
    GRASPED,
    INERTIA,
    ITSELF,
    KINETIC,
    LIGHT,
    LIGHT_BAR,
    POSITION,
    RADIUS,
    REST_LENGTH,
    SIZE,
    SMOOTHING,
    SPEED_BAR,
    SPIN_BAR,
    STATIC,
    STEP,
    STIFFNESS,
    TANGENT,
    VELOCITY,
)
from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.elastic import end
from diorama.envs.rope.kernel.ground import coulomb_back, ramp, ramp_back
from diorama.envs.rope.kernel.touch import (
    APART,
    LOAD,
    LOAD_BAR,
    ONE,
    ONE_BAR,
    OTHER,
    OTHER_BAR,
    PAIR_APART_BAR,
    PAIR_TOLD_BAR,
    PARALLEL,
    TOUCHING,
    corners,
    friction,
    spread,
    weighted,
)
from diorama.envs.rope.kernel.vectors import along, cross, dot, gain, get, mul, norm, put, sub


@compiled
def clear_pairs(touch):
    """Empties the derivatives of all pairs that touch."""
    for p in range(touch.count[TOUCHING]):
        for k in range(PAIR_TOLD_BAR, LOAD_BAR + 1):
            touch.row[p, k] = 0.0


@compiled
def edge_back(now, work, e, tangent_bar, lever_bar, to):
    """Passes derivatives by the tangent of an edge and by its tangent over its length to its vertices.

    ``lever_bar`` is by ``tangent / length``.
    """
    vertices, size = now.vertex.shape[0], work.edge[e, SIZE]
    edge = mul(1.0 / size, sub(get(now.vertex, end(e, vertices), POSITION), get(now.vertex, e, POSITION)))
    bar = along(tangent_bar, -dot(tangent_bar, edge), edge)
    bar = mul(1.0 / size, along(bar, 1.0 / size, along(lever_bar, -2.0 * dot(lever_bar, edge), edge)))
    gain(to.vertex, e, POSITION, mul(-1.0, bar))
    gain(to.vertex, end(e, vertices), POSITION, bar)


@compiled
def rub_pairs_back(now, then, make, grip, work, touch, at, sweep, to, made):
    """The adjoint of `rub_pairs`, on derivatives by velocities, spins and impulses."""
    number, speeds, spins, told = make.number, work.speed[at], work.spin[sweep], touch.told[sweep]
    # Every pair reads what was before: its share of the derivatives must not see what the others have added.
    for i in range(speeds.shape[0]):
        put(work.speed[at + 1], i, 0, get(work.vertex, i, SPEED_BAR))
    for e in range(spins.shape[0]):
        work.spin[sweep + 1, e] = work.edge[e, SPIN_BAR]
    for p in range(touch.count[TOUCHING]):
        impulse, wanted, speed, turn, soft = friction(then, make, grip, work, touch, speeds, spins, told, p)
        apart = get(touch.row, p, APART)
        more = sub(impulse, get(told, p, 0))
        more_bar, apart_bar = given_back(now, then, make, grip, work, touch, at, sweep, p, more, to, made)
        impulse_bar = along(get(touch.row, p, PAIR_TOLD_BAR), 1.0, more_bar)
        budget = touch.row[p, LOAD] * number[STEP]
        wanted_bar, kinetic_bar, budget_bar = coulomb_back(
            wanted, number[ITSELF + STATIC], number[ITSELF + KINETIC], budget, impulse_bar
        )
        made.number[ITSELF + KINETIC] += kinetic_bar
        touch.row[p, LOAD_BAR] += budget_bar * number[STEP]
        if soft == 0.0:
            wanted_bar = (0.0, 0.0, 0.0)
        put(touch.row, p, PAIR_TOLD_BAR, along(wanted_bar, -1.0, more_bar))
        size = norm(apart)
        normal = mul(1.0 / size, apart)
        across = dot(speed, normal)
        sliding = along(speed, -across, normal)
        rate = 1.0 / soft if soft > 0.0 else 0.0
        sliding_bar = mul(-rate, wanted_bar)
        level = dot(sliding_bar, normal)
        speed_bar = along(sliding_bar, -level, normal)
        normal_bar = along(mul(-level, speed), -across, sliding_bar)
        normal_bar = along(normal_bar, -dot(normal_bar, normal), normal)
        apart_bar = along(apart_bar, 1.0 / size, normal_bar)
        apart_bar = along(apart_bar, -0.5, cross(speed_bar, turn))
        turn_bar = mul(-0.5, cross(apart, speed_bar))
        taken_back(now, then, work, touch, speeds, spins, p, speed_bar, turn_bar, to)
        half_bar = yielding_back(now, make, grip, work, touch, p, dot(wanted_bar, sliding) * rate * rate, to, made)
        gain(touch.row, p, PAIR_APART_BAR, along(apart_bar, 0.5 * half_bar, normal))


@compiled
def given_back(now, then, make, grip, work, touch, at, sweep, p, more, to, made):
    """Derivatives by the impulse that a pair gives to its vertices and sections, and by the way between its edges."""
    apart, bars, vertices = get(touch.row, p, APART), work.speed[at + 1], now.vertex.shape[0]
    couple, couple_bar, more_bar = mul(-0.5, cross(apart, more)), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for side in range(2):
        e, share, sign = touch.who[p, side], touch.row[p, ONE + side], 1.0 - 2.0 * side
        second, tangent, size = end(e, vertices), get(then.edge, e, TANGENT), work.edge[e, SIZE]
        twist = mul(1.0 / size, cross(couple, tangent))
        bar, next_bar = get(bars, e, 0), get(bars, second, 0)
        light, next_light = work.vertex[e, LIGHT], work.vertex[second, LIGHT]
        work.vertex[e, LIGHT_BAR] += dot(bar, along(mul(sign * (1.0 - share), more), -1.0, twist))
        work.vertex[second, LIGHT_BAR] += dot(next_bar, along(mul(sign * share, more), 1.0, twist))
        bar, next_bar = mul(light, bar), mul(next_light, next_bar)
        more_bar = along(along(more_bar, sign * (1.0 - share), bar), sign * share, next_bar)
        touch.row[p, ONE_BAR + side] += sign * dot(sub(next_bar, bar), more)
        twist_bar = sub(next_bar, bar)
        free = (1.0 - grip.edge[e, GRASPED]) / make.edge[e, INERTIA]
        spin_bar = work.spin[sweep + 1, e]
        made.edge[e, INERTIA] -= spin_bar * dot(couple, tangent) * free / make.edge[e, INERTIA]
        couple_bar = along(couple_bar, 1.0 / size, cross(tangent, twist_bar))
        couple_bar = along(couple_bar, spin_bar * free, tangent)
        edge_back(now, work, e, mul(spin_bar * free, couple), cross(twist_bar, couple), to)
    more_bar = along(more_bar, -0.5, cross(couple_bar, apart))
    return more_bar, mul(-0.5, cross(more, couple_bar))


@compiled
def taken_back(now, then, work, touch, speeds, spins, p, speed_bar, turn_bar, to):
    """Passes on derivatives by the velocity between the surfaces of a pair, and by how fast its edges turn."""
    vertices = now.vertex.shape[0]
    for side in range(2):
        e, share, sign = touch.who[p, side], touch.row[p, ONE + side], 1.0 - 2.0 * side
        second, tangent, size = end(e, vertices), get(then.edge, e, TANGENT), work.edge[e, SIZE]
        change = sub(get(speeds, second, 0), get(speeds, e, 0))
        touch.row[p, ONE_BAR + side] += sign * dot(speed_bar, change)
        change_bar = mul(1.0 / size, cross(turn_bar, tangent))
        gain(work.vertex, e, SPEED_BAR, along(mul(sign * (1.0 - share), speed_bar), -1.0, change_bar))
        gain(work.vertex, second, SPEED_BAR, along(mul(sign * share, speed_bar), 1.0, change_bar))
        work.edge[e, SPIN_BAR] += dot(turn_bar, tangent)
        edge_back(now, work, e, mul(spins[e], turn_bar), cross(change, turn_bar), to)


@compiled
def yielding_back(now, make, grip, work, touch, p, bar, to, made):
    """The adjoint of `yielding`; returns the derivative by half of the way between the edges."""
    vertices, half, half_bar = now.vertex.shape[0], 0.5 * norm(get(touch.row, p, APART)), 0.0
    for side in range(2):
        e, share = touch.who[p, side], touch.row[p, ONE + side]
        lever = half / work.edge[e, SIZE]
        lever_bar = 0.0
        for which in range(2):
            i = end(e, vertices) if which else e
            arm, many = (share if which else 1.0 - share) + lever, touch.busy[i, 0]
            arm_bar = 2.0 * arm * many * work.vertex[i, LIGHT] * bar
            work.vertex[i, LIGHT_BAR] += arm * arm * many * bar
            touch.row[p, ONE_BAR + side] += arm_bar if which else -arm_bar
            lever_bar += arm_bar
        free, many = (1.0 - grip.edge[e, GRASPED]) / make.edge[e, INERTIA], touch.busy[e, 1]
        made.edge[e, INERTIA] -= half * half * many * bar * free / make.edge[e, INERTIA]
        half_bar += 2.0 * half * many * free * bar + lever_bar / work.edge[e, SIZE]
        edge = sub(get(now.vertex, end(e, vertices), POSITION), get(now.vertex, e, POSITION))
        change = mul(-lever_bar * lever / work.edge[e, SIZE] ** 2, edge)
        gain(to.vertex, e, POSITION, mul(-1.0, change))
        gain(to.vertex, end(e, vertices), POSITION, change)
    return half_bar


@compiled
def find_touches_back(now, make, work, touch, to, made):
    """The adjoint of `find_touches`, from derivatives by forces and by what friction used of each pair."""
    number = make.number
    smoothing, stiffness, damping = number[ITSELF + SMOOTHING], number[ITSELF + STIFFNESS], number[ITSELF + DAMPING]
    for p in range(touch.count[TOUCHING]):
        e, o, one, other = touch.who[p, 0], touch.who[p, 1], touch.row[p, ONE], touch.row[p, OTHER]
        apart, load = get(touch.row, p, APART), touch.row[p, LOAD]
        size = norm(apart)
        normal = mul(1.0 / size, apart)
        gap = size - 2.0 * number[RADIUS]
        bars = corners_of(work.vertex, e, o, FORCE_BAR)
        force_bar = weighted(bars, one, other)
        velocity = corners(now, e, o, VELOCITY)
        closing_speed = weighted(velocity, one, other)
        closing = dot(closing_speed, normal)
        span = 0.5 * (make.edge[e, REST_LENGTH] + make.edge[o, REST_LENGTH])
        deep, harder = ramp(gap, smoothing), 1.0 + damping * max(-closing, 0.0)
        load_bar = touch.row[p, LOAD_BAR] + dot(force_bar, normal)
        made.number[ITSELF + STIFFNESS] += load_bar * span * deep * harder
        made.number[ITSELF + DAMPING] += load_bar * stiffness * span * deep * max(-closing, 0.0)
        for edge in (e, o):
            made.edge[edge, REST_LENGTH] += 0.5 * load_bar * stiffness * deep * harder
        by_gap, by_smoothing = ramp_back(gap, smoothing)
        deep_bar = load_bar * stiffness * span * harder
        made.number[ITSELF + SMOOTHING] += deep_bar * by_smoothing
        made.number[RADIUS] -= 2.0 * deep_bar * by_gap
        closing_bar = -load_bar * stiffness * span * deep * damping if closing < 0.0 else 0.0
        normal_bar = along(mul(load, force_bar), closing_bar, closing_speed)
        normal_bar = along(normal_bar, -dot(normal_bar, normal), normal)
        apart_bar = along(get(touch.row, p, PAIR_APART_BAR), deep_bar * by_gap, normal)
        apart_bar = along(apart_bar, 1.0 / size, normal_bar)
        # Shares: of the force, of the velocity, and of the place.
        push, place = mul(load, normal), corners(now, e, o, POSITION)
        one_bar = touch.row[p, ONE_BAR] + by_share(bars, velocity, place, 0, push, closing_bar, normal, apart_bar)
        other_bar = touch.row[p, OTHER_BAR] - by_share(bars, velocity, place, 2, push, closing_bar, normal, apart_bar)
        spread(to.vertex, VELOCITY, e, o, one, other, mul(closing_bar, normal))
        spread(to.vertex, POSITION, e, o, one, other, apart_bar)
        nearest_back(place, e, o, one_bar, other_bar, to)


@compiled
def corners_of(rows, e, o, at):
    """Three numbers of the two vertices of each of two edges."""
    vertices = rows.shape[0]
    return get(rows, e, at), get(rows, end(e, vertices), at), get(rows, o, at), get(rows, end(o, vertices), at)


@compiled
def by_share(bars, velocity, place, at, push, closing_bar, normal, apart_bar):
    """The derivative by the share of one edge, apart from its sign."""
    of_force = dot(sub(bars[at + 1], bars[at]), push)
    of_velocity = closing_bar * dot(sub(velocity[at + 1], velocity[at]), normal)
    return of_force + of_velocity + dot(sub(place[at + 1], place[at]), apart_bar)


@compiled
def nearest_back(place, i, j, one_bar, other_bar, to):
    """The adjoint of `nearest`, added to the vertices of the edges ``i`` and ``j``."""
    first, second, between = sub(place[1], place[0]), sub(place[3], place[2]), sub(place[2], place[0])
    a0, e0, b = dot(first, first), dot(second, second), dot(first, second)
    c0, f0 = dot(first, between), dot(second, between)
    root = math.sqrt(a0 * e0)
    pull = PARALLEL * root
    a, e, c, f = a0 + pull, e0 + pull, c0 + 0.5 * pull, f0 - 0.5 * pull
    start = (c * e - b * f) / (a * e - b * b)
    share = min(max(start, 0.0), 1.0)
    middle = (b * share - f) / e
    other = min(max(middle, 0.0), 1.0)
    last = (b * other + c) / a
    a_bar, e_bar, b_bar, c_bar, f_bar, share_bar = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if 0.0 < last < 1.0:
        bar = one_bar / a
        b_bar += bar * other
        other_bar += bar * b
        c_bar += bar
        a_bar -= bar * last
    if 0.0 < middle < 1.0:
        bar = other_bar / e
        b_bar += bar * share
        share_bar = bar * b
        f_bar -= bar
        e_bar -= bar * middle
    if 0.0 < start < 1.0:
        bar = share_bar / (a * e - b * b)
        c_bar += bar * e
        e_bar += bar * (c - start * a)
        b_bar += bar * (2.0 * start * b - f)
        f_bar -= bar * b
        a_bar -= bar * start * e
    pull_bar = (a_bar + e_bar + 0.5 * c_bar - 0.5 * f_bar) * PARALLEL
    a_bar += 0.5 * pull_bar * e0 / root
    e_bar += 0.5 * pull_bar * a0 / root
    first_bar = along(along(mul(2.0 * a_bar, first), b_bar, second), c_bar, between)
    second_bar = along(along(mul(2.0 * e_bar, second), b_bar, first), f_bar, between)
    between_bar = along(mul(c_bar, first), f_bar, second)
    vertices = to.vertex.shape[0]
    gain(to.vertex, i, POSITION, mul(-1.0, along(first_bar, 1.0, between_bar)))
    gain(to.vertex, end(i, vertices), POSITION, first_bar)
    gain(to.vertex, j, POSITION, sub(between_bar, second_bar))
    gain(to.vertex, end(j, vertices), POSITION, second_bar)
