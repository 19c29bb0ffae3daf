"""One sub-step of one rope, as `integrator.substep`, and its adjoint."""

import math

from diorama.envs.rope.kernel.arrays import (
    ANGLE,
    DIRECTOR,
    DRAG,
    FORCE,
    FORCE_BAR,
    GRASPED,
    GRAVITY,
    GUIDE,
    HELD,
    INERTIA,
    LIGHT,
    LIGHT_BAR,
    LOAD,
    MASS,
    POSITION,
    PULLS,
    PUSH,
    PUSH_BAR,
    SIZE,
    SPEED_BAR,
    SPIN,
    SPIN_BAR,
    SPIN_DRAG,
    SPUN,
    SPUN_BAR,
    STEP,
    TANGENT,
    TANGENT_BAR,
    TOLD_BAR,
    VELOCITY,
    WHIRL,
)
from diorama.envs.rope.kernel.compiled import compiled, merged
from diorama.envs.rope.kernel.elastic import (
    carry_frames,
    count_twist,
    end,
    force_vertices,
    pull_edges,
    rub_strands,
    strain_joints,
    turn_sections,
)
from diorama.envs.rope.kernel.elastic_adjoint import elastic_back, start_bars
from diorama.envs.rope.kernel.ground import push_shapes, push_shapes_back, rub_ground, rub_ground_back
from diorama.envs.rope.kernel.lengths import keep_lengths, keep_lengths_back
from diorama.envs.rope.kernel.springs import draw, draw_back
from diorama.envs.rope.kernel.touch import TOUCHING, find_touches, rub_pairs
from diorama.envs.rope.kernel.touch_adjoint import clear_pairs, find_touches_back, rub_pairs_back
from diorama.envs.rope.kernel.vectors import along, dot, fill, gain, get, mul, norm, put, sub


@merged
def step(now, then, make, plan, grip, ticks, work, touch):
    """Writes the state ``then``, one sub-step after ``now``."""
    carry_frames(now, then, work)
    count_twist(now, then, plan)
    last = go(now, then, make, plan, grip, ticks, work, touch)
    step_size, speeds = make.number[STEP], work.speed[last]
    for i in range(now.vertex.shape[0]):
        speed = get(speeds, i, 0)
        put(then.vertex, i, VELOCITY, speed)
        put(then.vertex, i, POSITION, along(get(now.vertex, i, POSITION), step_size, speed))
    for e in range(now.edge.shape[0]):
        if plan.itself:
            then.edge[e, SPIN] = work.spin[plan.sweeps, e]
        then.edge[e, ANGLE] = now.edge[e, ANGLE] + step_size * then.edge[e, SPIN]


@merged
def go(now, then, make, plan, grip, ticks, work, touch):
    """Forces and velocities, where the frames are known already; returns where the last velocities are."""
    strain_joints(now, then, make, plan, work)
    if plan.elements > 0:
        rub_strands(now, then, make, plan, work)
    pull_edges(then, plan, work)
    force_vertices(now, then, make, work)
    if plan.shapes > 0:
        push_shapes(now, make, plan, work)
    if plan.itself:
        find_touches(now, make, plan, work, touch)
    if plan.sprung:
        draw(now, make, grip, ticks, work)
    hasten(now, make, plan, grip, work)
    whirl_on(now, then, make, grip, work)
    return settle(now, then, make, plan, grip, work, touch)


@compiled
def hasten(now, make, plan, grip, work):
    """Writes the velocities after all forces and handles in ``work.speed[0]``, and the inverse masses."""
    number, step_size = make.number, make.number[STEP]
    kept = math.exp(-number[DRAG] * step_size)
    gravity = number[GRAVITY], number[GRAVITY + 1], number[GRAVITY + 2]
    for i in range(now.vertex.shape[0]):
        if plan.loaded:
            gain(work.vertex, i, FORCE, get(make.vertex, i, LOAD))
        if plan.shapes > 0:
            gain(work.vertex, i, FORCE, get(work.vertex, i, PUSH))
        mass, held = make.vertex[i, MASS], grip.vertex[i, HELD]
        gain(work.vertex, i, FORCE, mul(mass, gravity))
        speed = mul(kept, along(get(now.vertex, i, VELOCITY), step_size / mass, get(work.vertex, i, FORCE)))
        put(work.speed[0], i, 0, along(speed, held, sub(get(grip.vertex, i, GUIDE), speed)))
        work.vertex[i, LIGHT] = (1.0 - held) / mass


@compiled
def whirl_on(now, then, make, grip, work):
    """Writes the spins after all torques and handles."""
    number, step_size = make.number, make.number[STEP]
    kept = math.exp(-number[SPIN_DRAG] * step_size)
    for e in range(now.edge.shape[0]):
        turned = dot(get(now.edge, e, TANGENT), get(then.edge, e, TANGENT))
        spin = kept * (now.edge[e, SPIN] * turned + step_size * work.edge[e, SPUN] / make.edge[e, INERTIA])
        then.edge[e, SPIN] = spin + grip.edge[e, GRASPED] * (grip.edge[e, WHIRL] - spin)


@merged
def settle(now, then, make, plan, grip, work, touch):
    """Friction and lengths in turn; returns where in ``work.speed`` the last velocities are."""
    at = 0
    if plan.shapes > 0:
        fill(work.told[0], 0.0)
    if plan.itself:
        clear_told(then, work, touch)
    for sweep in range(plan.sweeps):
        if plan.shapes > 0:
            rub_ground(make, work, at, sweep)
            at += 1
        if plan.itself:
            rub_pairs(then, make, grip, work, touch, at, sweep)
            at += 1
        if plan.fixed_lengths:
            keep_lengths(now, make, plan, work, at, PULLS + sweep)
            at += 1
    return at


@compiled
def clear_told(then, work, touch):
    """Starts the friction of pairs from none, and from the spins so far."""
    for e in range(work.spin.shape[1]):
        work.spin[0, e] = then.edge[e, SPIN]
    for p in range(touch.count[TOUCHING]):
        put(touch.told[0], p, 0, (0.0, 0.0, 0.0))


@merged
def step_back(now, then, make, plan, grip, ticks, work, touch, out, to, made, gripped):
    """The adjoint of `step`: from derivatives by ``then``, ``out``, to those by ``now``, written to ``to``.

    Adds to those by materials, ``made``, and by handles, ``gripped``.
    """
    vertices, step_size = now.vertex.shape[0], make.number[STEP]
    for e in range(now.edge.shape[0]):
        work.edge[e, SIZE] = norm(sub(get(now.vertex, end(e, vertices), POSITION), get(now.vertex, e, POSITION)))
    turn_sections(now, then, work)
    last = go(now, then, make, plan, grip, ticks, work, touch)
    for i in range(vertices):
        work.vertex[i, LIGHT_BAR] = 0.0
        put(work.vertex, i, PUSH_BAR, (0.0, 0.0, 0.0))
        put(work.vertex, i, TOLD_BAR, (0.0, 0.0, 0.0))
        put(to.vertex, i, POSITION, get(out.vertex, i, POSITION))
        put(work.vertex, i, SPEED_BAR, along(get(out.vertex, i, VELOCITY), step_size, get(out.vertex, i, POSITION)))
    for e in range(now.edge.shape[0]):
        work.edge[e, SPIN_BAR] = out.edge[e, SPIN] + step_size * out.edge[e, ANGLE]
        put(to.edge, e, TANGENT, (0.0, 0.0, 0.0))
    if plan.itself:
        clear_pairs(touch)
    settle_back(now, then, make, plan, grip, work, touch, last, to, made)
    hasten_back(now, make, plan, grip, work, to, made, gripped)
    start_bars(then, out, work)
    whirl_back(now, then, make, grip, work, out, to, made, gripped)
    if plan.sprung:
        draw_back(now, make, grip, ticks, work, to, made, gripped)
    if plan.shapes > 0:
        push_shapes_back(now, make, plan, work, to, made)
    if plan.itself:
        find_touches_back(now, make, work, touch, to, made)
    elastic_back(now, then, make, plan, work, out, to, made)


@merged
def settle_back(now, then, make, plan, grip, work, touch, last, to, made):
    """The adjoint of `settle`, on ``work.speed_bar``."""
    at = last
    for sweep in range(plan.sweeps - 1, -1, -1):
        if plan.fixed_lengths:
            at -= 1
            keep_lengths_back(now, make, plan, work, at, PULLS + sweep, to, made)
        if plan.itself:
            at -= 1
            rub_pairs_back(now, then, make, grip, work, touch, at, sweep, to, made)
        if plan.shapes > 0:
            at -= 1
            rub_ground_back(make, work, at, sweep, made)


@compiled
def hasten_back(now, make, plan, grip, work, to, made, gripped):
    """The adjoint of `hasten`: writes ``work.force_bar``, and velocities of ``to``."""
    number, step_size = make.number, make.number[STEP]
    kept = math.exp(-number[DRAG] * step_size)
    gravity = number[GRAVITY], number[GRAVITY + 1], number[GRAVITY + 2]
    for i in range(now.vertex.shape[0]):
        bar, mass, held = get(work.vertex, i, SPEED_BAR), make.vertex[i, MASS], grip.vertex[i, HELD]
        force = get(work.vertex, i, FORCE)
        gain(gripped.vertex, i, GUIDE, mul(held, bar))
        bar = mul((1.0 - held) * kept, bar)
        put(to.vertex, i, VELOCITY, bar)
        made.number[DRAG] -= step_size * dot(bar, along(get(now.vertex, i, VELOCITY), step_size / mass, force))
        force_bar = mul(step_size / mass, bar)
        made.vertex[i, MASS] -= dot(force_bar, force) / mass + work.vertex[i, LIGHT_BAR] * work.vertex[i, LIGHT] / mass
        made.vertex[i, MASS] += dot(force_bar, gravity)
        for k in range(3):
            made.number[GRAVITY + k] += mass * force_bar[k]
        put(work.vertex, i, FORCE_BAR, force_bar)
        if plan.loaded:
            gain(made.vertex, i, LOAD, force_bar)
        gain(work.vertex, i, PUSH_BAR, force_bar)


@compiled
def whirl_back(now, then, make, grip, work, out, to, made, gripped):
    """The adjoint of `whirl_on`: writes ``work.spun_bar``, and spins and tangents of ``to``."""
    number, step_size = make.number, make.number[STEP]
    kept = math.exp(-number[SPIN_DRAG] * step_size)
    for e in range(now.edge.shape[0]):
        bar = work.edge[e, SPIN_BAR]
        inertia, last, tangent = make.edge[e, INERTIA], get(now.edge, e, TANGENT), get(then.edge, e, TANGENT)
        gripped.edge[e, WHIRL] += grip.edge[e, GRASPED] * bar
        bar *= (1.0 - grip.edge[e, GRASPED]) * kept
        turned, torque = dot(last, tangent), work.edge[e, SPUN]
        made.number[SPIN_DRAG] -= step_size * bar * (now.edge[e, SPIN] * turned + step_size * torque / inertia)
        to.edge[e, SPIN] = bar * turned
        work.edge[e, SPUN_BAR] = step_size * bar / inertia
        made.edge[e, INERTIA] -= work.edge[e, SPUN_BAR] * torque / inertia
        put(to.edge, e, TANGENT, mul(bar * now.edge[e, SPIN], tangent))
        put(to.edge, e, DIRECTOR, (0.0, 0.0, 0.0))
        to.edge[e, ANGLE] = out.edge[e, ANGLE]
        gain(work.edge, e, TANGENT_BAR, mul(bar * now.edge[e, SPIN], last))
    fill(to.joint, 0.0)
