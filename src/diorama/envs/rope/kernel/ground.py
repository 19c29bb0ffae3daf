"""Push and friction of shapes on one rope (see `contact`), and their adjoints."""

from diorama.envs.rope.kernel.arrays import (
    DAMPING,
    GROUND,
    KINETIC,
    LIGHT,
    LIGHT_BAR,
    POSITION,
    PRESENT,
    PUSH,
    PUSH_BAR,
    RADIUS,
    REST_LENGTH,
    SMOOTHING,
    SPEED_BAR,
    STATIC,
    STEP,
    STIFFNESS,
    TOLD_BAR,
    VELOCITY,
)
from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.elastic import end
from diorama.envs.rope.kernel.shapes import distance, distance_back
from diorama.envs.rope.kernel.vectors import along, dot, gain, get, mul, norm, put, sub


@compiled
def ramp(gap, smoothing):
    """How deep [m] a contact counts."""
    if gap >= smoothing:
        return 0.0
    if gap < -smoothing:
        return -gap
    return (smoothing - gap) ** 2 / (4.0 * smoothing)


@compiled
def ramp_back(gap, smoothing):
    """The derivatives of `ramp` by its gap and by its smoothing."""
    if gap >= smoothing:
        return 0.0, 0.0
    if gap < -smoothing:
        return -1.0, 0.0
    share = (smoothing - gap) / (2.0 * smoothing)
    return -share, share - share * share


@compiled
def between(rows, e, other, at, share):
    """A value at a point along an edge."""
    start = get(rows, e, at)
    return along(start, share, sub(get(rows, other, at), start))


@compiled
def push_shapes(now, make, plan, work):
    """Sums the push of all shapes on the vertices in ``work.push``."""
    vertices, number = now.vertex.shape[0], make.number
    for i in range(vertices):
        put(work.vertex, i, PUSH, (0.0, 0.0, 0.0))
    for e in range(now.edge.shape[0]):
        other = end(e, vertices)
        weight = make.edge[e, PRESENT] * make.edge[e, REST_LENGTH] / plan.points
        for p in range(plan.points):
            share = (p + 0.5) / plan.points
            place, speed = (
                between(now.vertex, e, other, POSITION, share),
                between(now.vertex, e, other, VELOCITY, share),
            )
            for s in range(plan.shapes):
                away, normal = distance(make.shape[s], place)
                size = ramp(away - number[RADIUS], number[GROUND + SMOOTHING])
                if size > 0.0 and weight > 0.0:
                    approach = max(-dot(speed, normal), 0.0)
                    size *= number[GROUND + STIFFNESS] * (1.0 + number[GROUND + DAMPING] * approach)
                    gain(work.vertex, e, PUSH, mul(weight * size * (1.0 - share), normal))
                    gain(work.vertex, other, PUSH, mul(weight * size * share, normal))


@compiled
def push_shapes_back(now, make, plan, work, to, made):
    """The adjoint of `push_shapes`, from ``work.push_bar``."""
    vertices, number = now.vertex.shape[0], make.number
    for e in range(now.edge.shape[0]):
        other = end(e, vertices)
        weight = make.edge[e, PRESENT] * make.edge[e, REST_LENGTH] / plan.points
        if weight == 0.0:
            continue
        for p in range(plan.points):
            share = (p + 0.5) / plan.points
            place = between(now.vertex, e, other, POSITION, share)
            bar = between(work.vertex, e, other, PUSH_BAR, share)
            for s in range(plan.shapes):
                away, normal = distance(make.shape[s], place)
                gap, smoothing = away - number[RADIUS], number[GROUND + SMOOTHING]
                if gap < smoothing:
                    speed = between(now.vertex, e, other, VELOCITY, share)
                    weight_bar, speed_bar, away_bar, normal_bar = point_back(
                        made, number, gap, normal, speed, weight, bar
                    )
                    place_bar = distance_back(make.shape[s], place, normal, away_bar, normal_bar, made.shape[s])
                    made.edge[e, REST_LENGTH] += weight_bar * make.edge[e, PRESENT] / plan.points
                    gain(to.vertex, e, POSITION, mul(1.0 - share, place_bar))
                    gain(to.vertex, other, POSITION, mul(share, place_bar))
                    gain(to.vertex, e, VELOCITY, mul(1.0 - share, speed_bar))
                    gain(to.vertex, other, VELOCITY, mul(share, speed_bar))


@compiled
def point_back(made, number, gap, normal, speed, weight, bar):
    """Derivatives at one point by its weight, its speed, its distance, and the normal."""
    stiffness, smoothing, damping = number[GROUND], number[GROUND + SMOOTHING], number[GROUND + DAMPING]
    closing = -dot(speed, normal)
    approach = max(closing, 0.0)
    deep = ramp(gap, smoothing)
    harder = 1.0 + damping * approach
    size, size_bar = stiffness * deep * harder, weight * dot(bar, normal)
    by_gap, by_smoothing = ramp_back(gap, smoothing)
    made.number[GROUND] += size_bar * deep * harder
    made.number[GROUND + DAMPING] += size_bar * stiffness * deep * approach
    deep_bar = size_bar * stiffness * harder
    made.number[GROUND + SMOOTHING] += deep_bar * by_smoothing
    away_bar = deep_bar * by_gap
    made.number[RADIUS] -= away_bar
    closing_bar = size_bar * stiffness * deep * damping if closing > 0.0 else 0.0
    normal_bar = along(mul(weight * size, bar), -closing_bar, speed)
    return size * dot(bar, normal), mul(-closing_bar, normal), away_bar, normal_bar


@compiled
def coulomb(wanted, static, kinetic, budget):
    """The impulse of friction: the wanted one if static friction gives it, else that of kinetic friction."""
    size = norm(wanted)
    if size <= static * budget:
        return wanted
    return mul(kinetic * budget / size, wanted)


@compiled
def coulomb_back(wanted, static, kinetic, budget, bar):
    """Derivatives by the wanted impulse, the coefficient of kinetic friction, and the budget."""
    size = norm(wanted)
    if size <= static * budget:
        return bar, 0.0, 0.0
    along_bar = dot(bar, wanted) / size
    limit = kinetic * budget
    wanted_bar = along(mul(limit / size, bar), -limit * along_bar / size**2, wanted)
    return wanted_bar, budget * along_bar, kinetic * along_bar


@compiled
def rub_ground(make, work, at, sweep):
    """Writes velocities after friction with shapes in ``work.speed[at + 1]``, and its impulses so far."""
    number, step = make.number, make.number[STEP]
    before, after, told, telling = work.speed[at], work.speed[at + 1], work.told[sweep], work.told[sweep + 1]
    for i in range(before.shape[0]):
        speed, push, light = get(before, i, 0), get(work.vertex, i, PUSH), work.vertex[i, LIGHT]
        load = norm(push)
        if load == 0.0:
            # Nothing is wanted of a budget of nothing; what was told before is nothing too.
            put(after, i, 0, speed)
            put(telling, i, 0, (0.0, 0.0, 0.0))
            continue
        normal = mul(1.0 / load, push)
        sliding = along(speed, -dot(speed, normal), normal)
        wanted = along(get(told, i, 0), -1.0 / light if light > 0.0 else 0.0, sliding)
        impulse = coulomb(wanted, number[GROUND + STATIC], number[GROUND + KINETIC], load * step)
        put(telling, i, 0, impulse)
        put(after, i, 0, along(speed, light, sub(impulse, get(told, i, 0))))


@compiled
def rub_ground_back(make, work, at, sweep, made):
    """The adjoint of `rub_ground`: on the derivatives by velocities and impulses in ``work.vertex``."""
    before, told = work.speed[at], work.told[sweep]
    number, step = make.number, make.number[STEP]
    static, kinetic = number[GROUND + STATIC], number[GROUND + KINETIC]
    for i in range(before.shape[0]):
        push, light = get(work.vertex, i, PUSH), work.vertex[i, LIGHT]
        load = norm(push)
        if load == 0.0:
            put(work.vertex, i, TOLD_BAR, (0.0, 0.0, 0.0))
            continue
        speed, bar, normal = get(before, i, 0), get(work.vertex, i, SPEED_BAR), mul(1.0 / load, push)
        across = dot(speed, normal)
        sliding = along(speed, -across, normal)
        mass = 1.0 / light if light > 0.0 else 0.0
        wanted = along(get(told, i, 0), -mass, sliding)
        impulse = coulomb(wanted, static, kinetic, load * step)
        impulse_bar = along(get(work.vertex, i, TOLD_BAR), light, bar)
        wanted_bar, kinetic_bar, budget_bar = coulomb_back(wanted, static, kinetic, load * step, impulse_bar)
        made.number[GROUND + KINETIC] += kinetic_bar
        put(work.vertex, i, TOLD_BAR, along(wanted_bar, -light, bar))
        work.vertex[i, LIGHT_BAR] += dot(bar, sub(impulse, get(told, i, 0))) + dot(wanted_bar, sliding) * mass * mass
        sliding_bar = mul(-mass, wanted_bar)
        level = dot(sliding_bar, normal)
        put(work.vertex, i, SPEED_BAR, add_level(bar, sliding_bar, level, normal))
        normal_bar = along(mul(-level, speed), -across, sliding_bar)
        turned = along(normal_bar, -dot(normal_bar, normal), normal)
        gain(work.vertex, i, PUSH_BAR, along(mul(budget_bar * step, normal), 1.0 / load, turned))


@compiled
def add_level(bar, sliding_bar, level, normal):
    """The derivative by a velocity of which only the part along the surface slides."""
    return along(along(bar, 1.0, sliding_bar), -level, normal)
