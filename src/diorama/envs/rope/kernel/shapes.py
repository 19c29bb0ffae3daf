"""Signed distances of shapes (see `diorama.envs.rope.shapes`), their normals, and the adjoint of both.

A row of a shape: its numbers, and in the last place which kind it is. Plane: normal, height. Sphere and capsule: two
ends and the radius. Box: centre, half edges, rounding.
"""

import math

from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.vectors import along, dot, mul, norm, sub

PLANE, CAPSULE, BOX = 0.0, 1.0, 2.0
KIND = 7


@compiled
def three(shape, at):
    """Three numbers of a shape."""
    return shape[at], shape[at + 1], shape[at + 2]


@compiled
def give(shape_bar, at, a):
    """Adds to three numbers of a shape's derivatives."""
    for k in range(3):
        shape_bar[at + k] += a[k]


@compiled
def distance(shape, point):
    """Signed distance [m] of a point, and the normal there."""
    if shape[KIND] == PLANE:
        normal = three(shape, 0)
        normal = mul(1.0 / norm(normal), normal)
        return dot(normal, point) - shape[3], normal
    if shape[KIND] == CAPSULE:
        away = capsule_away(shape, point)[0]
        size = norm(away)
        return size - shape[6], mul(1.0 / size if size > 0.0 else 0.0, away)
    return box_distance(shape, point)


@compiled
def capsule_away(shape, point):
    """The vector from the nearest point of the axis, the share of the axis, and whether that is between the ends."""
    start = three(shape, 0)
    axis, away = sub(three(shape, 3), start), sub(point, start)
    share = dot(away, axis) / max(dot(axis, axis), 1e-30)
    inside = 0.0 < share < 1.0
    share = min(max(share, 0.0), 1.0)
    return along(away, -share, axis), share, inside


@compiled
def box_away(shape, point):
    """How far a point is beyond each face, with the signs of its coordinates."""
    y = sub(point, three(shape, 0))
    away = abs(y[0]) - shape[3], abs(y[1]) - shape[4], abs(y[2]) - shape[5]
    return away, (math.copysign(1.0, y[0]), math.copysign(1.0, y[1]), math.copysign(1.0, y[2]))


@compiled
def box_distance(shape, point):
    """Signed distance of a point from a box, and the normal."""
    away, sign = box_away(shape, point)
    out = max(away[0], 0.0), max(away[1], 0.0), max(away[2], 0.0)
    size = norm(out)
    if size > 0.0:
        normal = sign[0] * out[0] / size, sign[1] * out[1] / size, sign[2] * out[2] / size
        return size - shape[6], normal
    deepest = max(away[0], away[1], away[2])
    return deepest - shape[6], face(away, sign, deepest)


@compiled
def face(away, sign, deepest):
    """The normal of the nearest face, from inside."""
    if away[0] == deepest:
        return sign[0], 0.0, 0.0
    if away[1] == deepest:
        return 0.0, sign[1], 0.0
    return 0.0, 0.0, sign[2]


@compiled
def distance_back(shape, point, normal, distance_bar, normal_bar, shape_bar):
    """The derivative by the point, from those by distance and normal; adds to those by the numbers of the shape."""
    if shape[KIND] == PLANE:
        size = norm(three(shape, 0))
        bar = along(normal_bar, distance_bar, point)
        give(shape_bar, 0, mul(1.0 / size, along(bar, -dot(bar, normal), normal)))
        shape_bar[3] -= distance_bar
        return mul(distance_bar, normal)
    if shape[KIND] == CAPSULE:
        shape_bar[6] -= distance_bar
        return capsule_back(shape, point, normal, distance_bar, normal_bar, shape_bar)
    shape_bar[6] -= distance_bar
    return box_back(shape, point, normal, distance_bar, normal_bar, shape_bar)


@compiled
def capsule_back(shape, point, normal, distance_bar, normal_bar, shape_bar):
    """`distance_back` of a capsule or a sphere."""
    start = three(shape, 0)
    axis, lead = sub(three(shape, 3), start), sub(point, start)
    away, share, inside = capsule_away(shape, point)
    size = norm(away)
    turned = along(normal_bar, -dot(normal_bar, normal), normal)
    bar = along(mul(distance_bar, normal), 1.0 / size if size > 0.0 else 0.0, turned)
    give(shape_bar, 0, mul(share - 1.0, bar))
    give(shape_bar, 3, mul(-share, bar))
    if not inside:
        return bar
    square = dot(axis, axis)
    share_bar = -dot(bar, axis) / square
    by_end = along(lead, -2.0 * share, axis)
    give(shape_bar, 3, mul(share_bar, by_end))
    give(shape_bar, 0, mul(-share_bar, along(by_end, 1.0, axis)))
    return along(bar, share_bar, axis)


@compiled
def box_back(shape, point, normal, distance_bar, normal_bar, shape_bar):
    """`distance_back` of a box."""
    away, sign = box_away(shape, point)
    out = max(away[0], 0.0), max(away[1], 0.0), max(away[2], 0.0)
    size = norm(out)
    bar = mul(distance_bar, normal)
    if size > 0.0:
        turned = along(normal_bar, -dot(normal_bar, normal), normal)
        bar = along(bar, 1.0 / size, turned)
        bar = masked(bar, away)
    give(shape_bar, 0, mul(-1.0, bar))
    give(shape_bar, 3, (-sign[0] * bar[0], -sign[1] * bar[1], -sign[2] * bar[2]))
    return bar


@compiled
def masked(bar, away):
    """Only the parts across faces that the point is beyond."""
    return bar[0] if away[0] > 0.0 else 0.0, bar[1] if away[1] > 0.0 else 0.0, bar[2] if away[2] > 0.0 else 0.0
