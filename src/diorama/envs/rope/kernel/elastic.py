"""Frames, strains, and elastic forces of one rope, edge by edge and joint by joint (see `frames` and `forces`)."""

import math

from diorama.envs.rope.kernel.arrays import (
    ANGLE,
    BENT,
    DIRECTOR,
    ELEMENTS,
    FIRST,
    FORCE,
    INERTIA,
    MOMENT,
    POSITION,
    PRESENT,
    PULL,
    REST,
    REST_LENGTH,
    SECOND,
    SHARE,
    SIZE,
    SPIN,
    SPUN,
    STEP,
    STRETCH,
    STUCK,
    TANGENT,
    TORQUE,
    TURN,
    TWIST,
    YIELD,
)
from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.vectors import add, along, chi, cross, dot, gain, get, mul, norm, put, sub, transport


@compiled
def around(joint, edges, closed):
    """The edges before and after a joint."""
    if closed:
        return (joint - 1) % edges, joint
    return joint, joint + 1


@compiled
def end(edge, vertices):
    """The second vertex of an edge."""
    return edge + 1 if edge + 1 < vertices else 0


@compiled
def span(make, before, after):
    """The length of rod that belongs to a joint."""
    return 0.5 * (make.edge[before, REST_LENGTH] + make.edge[after, REST_LENGTH])


@compiled
def carry_frames(now, then, work):
    """Writes tangents and directors of ``then`` from the positions of ``now``, and the directors of the sections."""
    vertices = now.vertex.shape[0]
    for e in range(now.edge.shape[0]):
        edge = sub(get(now.vertex, end(e, vertices), POSITION), get(now.vertex, e, POSITION))
        size = norm(edge)
        work.edge[e, SIZE] = size
        tangent = mul(1.0 / size, edge)
        director = transport(get(now.edge, e, DIRECTOR), get(now.edge, e, TANGENT), tangent)
        director = along(director, -dot(director, tangent), tangent)
        put(then.edge, e, TANGENT, tangent)
        put(then.edge, e, DIRECTOR, mul(1.0 / norm(director), director))
    turn_sections(now, then, work)


@compiled
def turn_sections(now, then, work):
    """Writes the directors of the sections from those of the frames."""
    for e in range(now.edge.shape[0]):
        director = get(then.edge, e, DIRECTOR)
        other = cross(get(then.edge, e, TANGENT), director)
        cosine, sine = math.cos(now.edge[e, ANGLE]), math.sin(now.edge[e, ANGLE])
        put(work.edge, e, FIRST, along(mul(cosine, director), sine, other))
        put(work.edge, e, SECOND, along(mul(cosine, other), -sine, director))


@compiled
def count_twist(now, then, plan):
    """Writes the twist of the reference frames, the value nearest to the last."""
    edges = now.edge.shape[0]
    for j in range(now.joint.shape[0]):
        before, after = around(j, edges, plan.closed)
        axis, director = get(then.edge, after, TANGENT), get(then.edge, after, DIRECTOR)
        carried = transport(get(then.edge, before, DIRECTOR), get(then.edge, before, TANGENT), axis)
        near = now.joint[j, TWIST]
        sine, cosine = dot(axis, cross(carried, director)), dot(carried, director)
        # The angle from the carried director, less what it was: small, and so never across the jump of the arc tangent.
        c, s = math.cos(near), math.sin(near)
        then.joint[j, TWIST] = near + math.atan2(sine * c - cosine * s, cosine * c + sine * s)


@compiled
def strain_joints(now, then, make, plan, work):
    """Writes curvature, the rest curvature that stays, and moments and torques at the joints."""
    edges = now.edge.shape[0]
    for j in range(now.joint.shape[0]):
        b, a = around(j, edges, plan.closed)
        one, other = get(then.edge, b, TANGENT), get(then.edge, a, TANGENT)
        turn = mul(2.0 / chi(one, other), cross(one, other))
        put(work.joint, j, TURN, turn)
        work.joint[j, BENT] = 0.5 * dot(turn, add(get(work.edge, b, SECOND), get(work.edge, a, SECOND)))
        work.joint[j, BENT + 1] = -0.5 * dot(turn, add(get(work.edge, b, FIRST), get(work.edge, a, FIRST)))
        share = 1.0 / span(make, b, a)
        keep_set(now, then, make, plan, j, share * work.joint[j, BENT], share * work.joint[j, BENT + 1])
        for k in range(2):
            work.joint[j, MOMENT + k] = make.joint[j, k] * (share * work.joint[j, BENT + k] - then.joint[j, REST + k])
        wound = now.edge[a, ANGLE] - now.edge[b, ANGLE] + then.joint[j, TWIST]
        work.joint[j, TORQUE] = make.joint[j, 2] * (share * wound - make.joint[j, 3])


@compiled
def keep_set(now, then, make, plan, j, first, second):
    """Writes the rest curvature at a joint bent to ``first`` and ``second`` [1/m]."""
    a, b = first - now.joint[j, REST], second - now.joint[j, REST + 1]
    gained = 0.0
    if plan.plastic:
        size = math.sqrt(a * a + b * b)
        if size > make.number[YIELD]:
            gained = make.number[SHARE] * (1.0 - make.number[YIELD] / size)
    then.joint[j, REST] = now.joint[j, REST] + gained * a
    then.joint[j, REST + 1] = now.joint[j, REST + 1] + gained * b


@compiled
def rub_strands(now, then, make, plan, work):
    """Lets the frictional elements at all joints slip, and adds their moments."""
    edges = now.edge.shape[0]
    for j in range(now.joint.shape[0]):
        before, after = around(j, edges, plan.closed)
        unbroken, share = make.edge[before, PRESENT] * make.edge[after, PRESENT], 1.0 / span(make, before, after)
        first, second = share * work.joint[j, BENT], share * work.joint[j, BENT + 1]
        for k in range(plan.elements):
            stiffness, slip = unbroken * make.number[ELEMENTS + 2 * k], make.number[ELEMENTS + 2 * k + 1]
            at = STUCK + 2 * k
            a, b = first - now.joint[j, at], second - now.joint[j, at + 1]
            size = math.sqrt(a * a + b * b)
            gained = 1.0 - slip / size if size > slip else 0.0
            then.joint[j, at] = now.joint[j, at] + gained * a
            then.joint[j, at + 1] = now.joint[j, at + 1] + gained * b
            work.joint[j, MOMENT] += stiffness * (first - then.joint[j, at])
            work.joint[j, MOMENT + 1] += stiffness * (second - then.joint[j, at + 1])


@compiled
def pull_edges(then, plan, work):
    """Sums the gradients by unit edge vectors in ``work.pull`` and the torques on the sections in ``work.spun``."""
    edges = work.edge.shape[0]
    for e in range(edges):
        put(work.edge, e, PULL, (0.0, 0.0, 0.0))
        work.edge[e, SPUN] = 0.0
    for j in range(work.joint.shape[0]):
        b, a = around(j, edges, plan.closed)
        one, other, turn = get(then.edge, b, TANGENT), get(then.edge, a, TANGENT), get(work.joint, j, TURN)
        across = across_joint(work, j, b, a)
        share = 1.0 / chi(one, other)
        shared = mul(0.5 * work.joint[j, TORQUE], turn)
        shared = along(shared, -0.5 * dot(turn, across) * share, add(one, other))
        gain(work.edge, b, PULL, along(shared, share, cross(other, across)))
        gain(work.edge, a, PULL, along(shared, -share, cross(one, across)))
        work.edge[b, SPUN] += 0.5 * dot(turn, leaning(work, j, b)) + work.joint[j, TORQUE]
        work.edge[a, SPUN] += 0.5 * dot(turn, leaning(work, j, a)) - work.joint[j, TORQUE]


@compiled
def across_joint(work, j, b, a):
    """The moments of a joint on the directors across it, summed over its two edges."""
    second = add(get(work.edge, b, SECOND), get(work.edge, a, SECOND))
    first = add(get(work.edge, b, FIRST), get(work.edge, a, FIRST))
    return along(mul(work.joint[j, MOMENT], second), -work.joint[j, MOMENT + 1], first)


@compiled
def leaning(work, j, edge):
    """The moments of a joint along the directors of one edge."""
    return along(
        mul(work.joint[j, MOMENT], get(work.edge, edge, FIRST)), work.joint[j, MOMENT + 1], get(work.edge, edge, SECOND)
    )


@compiled
def force_vertices(now, then, make, work):
    """Sums elastic forces, and those that turn the spins with their edges, in ``work.force``."""
    vertices = now.vertex.shape[0]
    for i in range(vertices):
        put(work.vertex, i, FORCE, (0.0, 0.0, 0.0))
    for e in range(now.edge.shape[0]):
        size, tangent = work.edge[e, SIZE], get(then.edge, e, TANGENT)
        tension = make.edge[e, STRETCH] * (size / make.edge[e, REST_LENGTH] - 1.0)
        pull = along(mul(1.0 / size, get(work.edge, e, PULL)), tension, tangent)
        couple = mul(-whirl(now, make, e), sub(tangent, get(now.edge, e, TANGENT)))
        pull = along(pull, -1.0 / size, cross(couple, tangent))
        gain(work.vertex, e, FORCE, pull)
        gain(work.vertex, end(e, vertices), FORCE, mul(-1.0, pull))


@compiled
def whirl(now, make, e):
    """The angular momentum of a section over the sub-step."""
    return make.edge[e, PRESENT] * make.edge[e, INERTIA] * now.edge[e, SPIN] / make.number[STEP]
