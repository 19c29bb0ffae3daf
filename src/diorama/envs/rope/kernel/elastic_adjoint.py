"""The adjoint of `elastic`: what derivatives by forces, torques and frames mean for positions, angles and materials.

A director that stays across its tangent can only be turned about it, so its derivative is one number, ``roll_bar``:
that by the turn. Where a tangent moves, the director leans with it, and the turn that this adds is half of the
curvature binormal of the two tangents (Bergou et al. 2010, eq. 9), in space for the twist and in time for the frame.
"""

import math

from diorama.envs.rope.kernel.arrays import (
    ANGLE,
    BENT,
    DIRECTOR,
    ELEMENTS,
    FIRST,
    FIRST_BAR,
    FORCE_BAR,
    INERTIA,
    MOMENT,
    POSITION,
    PRESENT,
    PULL,
    PULL_BAR,
    REST,
    REST_LENGTH,
    ROLL_BAR,
    SECOND,
    SECOND_BAR,
    SHARE,
    SIZE,
    SIZE_BAR,
    SPIN,
    SPUN_BAR,
    STEP,
    STRETCH,
    STUCK,
    TANGENT,
    TANGENT_BAR,
    TORQUE,
    TURN,
    TWIST,
    YIELD,
)
from diorama.envs.rope.kernel.compiled import compiled, merged
from diorama.envs.rope.kernel.elastic import across_joint, around, end, leaning, span
from diorama.envs.rope.kernel.vectors import FOLDED, add, along, chi, cross, dot, gain, get, mul, put, sub


@compiled
def start_bars(then, out, work):
    """Takes the derivatives by the frames that a sub-step ends with."""
    for e in range(out.edge.shape[0]):
        tangent, director = get(then.edge, e, TANGENT), get(then.edge, e, DIRECTOR)
        bar = get(out.edge, e, DIRECTOR)
        put(work.edge, e, TANGENT_BAR, along(get(out.edge, e, TANGENT), -dot(bar, tangent), director))
        work.edge[e, ROLL_BAR] = dot(bar, cross(tangent, director))
        put(work.edge, e, FIRST_BAR, (0.0, 0.0, 0.0))
        put(work.edge, e, SECOND_BAR, (0.0, 0.0, 0.0))


@compiled
def forces_back(now, then, make, work, to, made):
    """The adjoint of `force_vertices`: from ``work.force_bar`` to ``work.pull_bar``, tangents, sizes, spins."""
    vertices, step = now.vertex.shape[0], make.number[STEP]
    for e in range(now.edge.shape[0]):
        bar = sub(get(work.vertex, e, FORCE_BAR), get(work.vertex, end(e, vertices), FORCE_BAR))
        size, tangent, rest = work.edge[e, SIZE], get(then.edge, e, TANGENT), make.edge[e, REST_LENGTH]
        stiffness = make.edge[e, STRETCH]
        tension = stiffness * (size / rest - 1.0)
        tension_bar = dot(bar, tangent)
        put(work.edge, e, PULL_BAR, mul(1.0 / size, bar))
        made.edge[e, STRETCH] += tension_bar * (size / rest - 1.0)
        made.edge[e, REST_LENGTH] -= tension_bar * stiffness * size / rest**2
        momentum = make.edge[e, PRESENT] * make.edge[e, INERTIA] * now.edge[e, SPIN] / step
        turned = sub(tangent, get(now.edge, e, TANGENT))
        twice = cross(turned, tangent)  # its force is momentum / size * twice
        size_bar = tension_bar * stiffness / rest - dot(get(work.edge, e, PULL), bar) / size**2
        work.edge[e, SIZE_BAR] = size_bar - momentum * dot(twice, bar) / size**2
        turned_bar = mul(momentum / size, cross(tangent, bar))
        tangent_bar = along(mul(tension, bar), momentum / size, cross(bar, turned))
        gain(work.edge, e, TANGENT_BAR, add(tangent_bar, turned_bar))
        gain(to.edge, e, TANGENT, mul(-1.0, turned_bar))
        momentum_bar = dot(twice, bar) / size * make.edge[e, PRESENT] / step
        to.edge[e, SPIN] += momentum_bar * make.edge[e, INERTIA]
        made.edge[e, INERTIA] += momentum_bar * now.edge[e, SPIN]


@compiled
def joints_back(now, then, make, plan, work, out, to, made):
    """The adjoint of `strain_joints` and `pull_edges`, and of the twist of the frames."""
    edges = now.edge.shape[0]
    for j in range(now.joint.shape[0]):
        b, a = around(j, edges, plan.closed)
        one, other, turn = get(then.edge, b, TANGENT), get(then.edge, a, TANGENT), get(work.joint, j, TURN)
        share = 1.0 / chi(one, other)
        before, after = get(work.edge, b, PULL_BAR), get(work.edge, a, PULL_BAR)
        both, across = add(before, after), across_joint(work, j, b, a)
        level = 0.5 * dot(turn, across) * share
        lean = dot(add(one, other), both)
        # By what the forces are made of.
        across_bar = mul(share, sub(cross(before, other), cross(after, one)))
        chi_bar = share * (lean * level - dot(across, across_bar))
        across_bar = along(across_bar, -0.5 * share * lean, turn)
        turn_bar = along(mul(0.5 * work.joint[j, TORQUE], both), -0.5 * share * lean, across)
        turn_bar = along(turn_bar, 0.5 * work.edge[b, SPUN_BAR], leaning(work, j, b))
        turn_bar = along(turn_bar, 0.5 * work.edge[a, SPUN_BAR], leaning(work, j, a))
        one_bar = along(mul(-share, cross(across, after)), -level, both)
        other_bar = along(mul(share, cross(across, before)), -level, both)
        torque_bar = 0.5 * dot(turn, both) + work.edge[b, SPUN_BAR] - work.edge[a, SPUN_BAR]
        # By what the moments are made of.
        second, first = across_bar, mul(-1.0, across_bar)
        moments_bar = moment_back(work, j, b, a, turn, across_bar)
        second_bar, first_bar = mul(work.joint[j, MOMENT], second), mul(work.joint[j, MOMENT + 1], first)
        lean_sections(work, j, b, turn)
        lean_sections(work, j, a, turn)
        bent_bar = bends_back(now, then, make, plan, work, j, b, a, moments_bar, out, to, made)
        turn_bar = along(turn_bar, 0.5 * bent_bar[0], add(get(work.edge, b, SECOND), get(work.edge, a, SECOND)))
        turn_bar = along(turn_bar, -0.5 * bent_bar[1], add(get(work.edge, b, FIRST), get(work.edge, a, FIRST)))
        second_bar = along(second_bar, 0.5 * bent_bar[0], turn)
        first_bar = along(first_bar, -0.5 * bent_bar[1], turn)
        for e in (b, a):
            gain(work.edge, e, FIRST_BAR, first_bar)
            gain(work.edge, e, SECOND_BAR, second_bar)
        wound_bar = twists_back(now, then, make, work, j, b, a, torque_bar, out, to, made)
        # By the two tangents: through the curvature binormal, and through the twist of the frames.
        product_bar = mul(2.0 * share, turn_bar)
        chi_bar -= share * dot(turn, turn_bar)
        if 1.0 + dot(one, other) <= FOLDED:
            chi_bar = 0.0
        one_bar = along(add(one_bar, cross(other, product_bar)), chi_bar, other)
        other_bar = along(add(other_bar, cross(product_bar, one)), chi_bar, one)
        gain(work.edge, b, TANGENT_BAR, along(one_bar, 0.5 * wound_bar, turn))
        gain(work.edge, a, TANGENT_BAR, along(other_bar, 0.5 * wound_bar, turn))


@compiled
def moment_back(work, j, b, a, turn, across_bar):
    """Derivatives by the two moments of a joint."""
    second = dot(across_bar, add(get(work.edge, b, SECOND), get(work.edge, a, SECOND)))
    first = dot(across_bar, add(get(work.edge, b, FIRST), get(work.edge, a, FIRST)))
    for e in (b, a):
        second += 0.5 * work.edge[e, SPUN_BAR] * dot(turn, get(work.edge, e, FIRST))
        first -= 0.5 * work.edge[e, SPUN_BAR] * dot(turn, get(work.edge, e, SECOND))
    return second, -first


@compiled
def lean_sections(work, j, e, turn):
    """What the torque on a section means for its directors."""
    gain(work.edge, e, FIRST_BAR, mul(0.5 * work.edge[e, SPUN_BAR] * work.joint[j, MOMENT], turn))
    gain(work.edge, e, SECOND_BAR, mul(0.5 * work.edge[e, SPUN_BAR] * work.joint[j, MOMENT + 1], turn))


@compiled
def bends_back(now, then, make, plan, work, j, b, a, moments_bar, out, to, made):
    """Derivatives by the curvature of a joint, through its moments and what stays of its bending."""
    share = 1.0 / span(make, b, a)
    bent = share * work.joint[j, BENT], share * work.joint[j, BENT + 1]
    for k in range(2):
        made.joint[j, k] += moments_bar[k] * (bent[k] - then.joint[j, REST + k])
    by_curvature = moments_bar[0] * make.joint[j, 0], moments_bar[1] * make.joint[j, 1]
    kept = out.joint[j, REST] - by_curvature[0], out.joint[j, REST + 1] - by_curvature[1]
    elastic_bar = set_back(now, make, plan, j, bent, kept, made)
    to.joint[j, REST] += kept[0] - elastic_bar[0]
    to.joint[j, REST + 1] += kept[1] - elastic_bar[1]
    first, second = by_curvature[0] + elastic_bar[0], by_curvature[1] + elastic_bar[1]
    if plan.elements > 0:
        unbroken = make.edge[b, PRESENT] * make.edge[a, PRESENT]
        more = strands_back(now, then, make, plan, j, bent, unbroken, moments_bar, out, to, made)
        first, second = first + more[0], second + more[1]
    span_bar = -0.5 * share * (first * bent[0] + second * bent[1])
    made.edge[b, REST_LENGTH] += span_bar
    made.edge[a, REST_LENGTH] += span_bar
    return share * first, share * second


@compiled
def set_back(now, make, plan, j, bent, bar, made):
    """Derivatives by the elastic curvature of a joint that may yield."""
    if not plan.plastic:
        return 0.0, 0.0
    elastic, yields = (bent[0] - now.joint[j, REST], bent[1] - now.joint[j, REST + 1]), make.number[YIELD]
    found = return_back(elastic, yields, make.number[SHARE], bar)
    made.number[SHARE] += found[2]
    made.number[YIELD] += found[3]
    return found[0], found[1]


@compiled
def return_back(elastic, yields, share, bar):
    """The adjoint of return mapping: derivatives by the elastic curvature, the share, and the yield curvature."""
    a, b = elastic
    size = math.sqrt(a * a + b * b)
    if size <= yields:
        return 0.0, 0.0, 0.0, 0.0
    work = a * bar[0] + b * bar[1]
    excess = 1.0 - yields / size
    turned = share * yields / size**3 * work
    first, second = share * excess * bar[0] + turned * a, share * excess * bar[1] + turned * b
    return first, second, excess * work, -share * work / size


@compiled
def strands_back(now, then, make, plan, j, bent, unbroken, moments_bar, out, to, made):
    """The adjoint of `rub_strands`: the derivative by the curvature of the joint."""
    first_bar, second_bar = 0.0, 0.0
    for k in range(plan.elements):
        at, number = STUCK + 2 * k, ELEMENTS + 2 * k
        stiffness, slip = unbroken * make.number[number], make.number[number + 1]
        carried = moments_bar[0] * (bent[0] - then.joint[j, at]) + moments_bar[1] * (bent[1] - then.joint[j, at + 1])
        made.number[number] += unbroken * carried
        by = stiffness * moments_bar[0], stiffness * moments_bar[1]
        kept = out.joint[j, at] - by[0], out.joint[j, at + 1] - by[1]
        elastic = bent[0] - now.joint[j, at], bent[1] - now.joint[j, at + 1]
        found = return_back(elastic, slip, 1.0, kept)
        made.number[number + 1] += found[3]
        to.joint[j, at] += kept[0] - found[0]
        to.joint[j, at + 1] += kept[1] - found[1]
        first_bar += by[0] + found[0]
        second_bar += by[1] + found[1]
    return first_bar, second_bar


@compiled
def twists_back(now, then, make, work, j, b, a, torque_bar, out, to, made):
    """The derivative by the twist of a joint; passes it on to the two sections and their frames."""
    share, stiffness, rest = 1.0 / span(make, b, a), make.joint[j, 2], make.joint[j, 3]
    wound = share * (now.edge[a, ANGLE] - now.edge[b, ANGLE] + then.joint[j, TWIST])
    made.joint[j, 2] += torque_bar * (wound - rest)
    made.joint[j, 3] -= torque_bar * stiffness
    span_bar = -0.5 * torque_bar * stiffness * wound * share
    made.edge[b, REST_LENGTH] += span_bar
    made.edge[a, REST_LENGTH] += span_bar
    bar = torque_bar * stiffness * share
    to.edge[a, ANGLE] += bar
    to.edge[b, ANGLE] -= bar
    bar += out.joint[j, TWIST]
    work.edge[a, ROLL_BAR] += bar
    work.edge[b, ROLL_BAR] -= bar
    return bar


@compiled
def frames_back(now, then, work, to):
    """The adjoint of `carry_frames`."""
    vertices = now.vertex.shape[0]
    for e in range(now.edge.shape[0]):
        tangent, last = get(then.edge, e, TANGENT), get(now.edge, e, TANGENT)
        first, second = get(work.edge, e, FIRST), get(work.edge, e, SECOND)
        first_bar, second_bar = get(work.edge, e, FIRST_BAR), get(work.edge, e, SECOND_BAR)
        turned = dot(first_bar, second) - dot(second_bar, first)
        to.edge[e, ANGLE] += turned
        roll = work.edge[e, ROLL_BAR] + turned
        bar = along(get(work.edge, e, TANGENT_BAR), -dot(first_bar, tangent), first)
        bar = along(bar, -dot(second_bar, tangent), second)
        swept = mul(-roll / chi(last, tangent), cross(last, tangent))
        bar = add(bar, swept)
        gain(to.edge, e, TANGENT, swept)
        gain(to.edge, e, DIRECTOR, mul(roll, cross(last, get(now.edge, e, DIRECTOR))))
        bar = along(bar, -dot(bar, tangent), tangent)
        edge_bar = along(mul(1.0 / work.edge[e, SIZE], bar), work.edge[e, SIZE_BAR], tangent)
        gain(to.vertex, end(e, vertices), POSITION, edge_bar)
        gain(to.vertex, e, POSITION, mul(-1.0, edge_bar))


@merged
def elastic_back(now, then, make, plan, work, out, to, made):
    """The adjoint of all that is elastic, from derivatives by forces and torques to ``to`` and ``made``."""
    forces_back(now, then, make, work, to, made)
    joints_back(now, then, make, plan, work, out, to, made)
    frames_back(now, then, work, to)
