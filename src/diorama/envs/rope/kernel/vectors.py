"""Vectors in space as three numbers, which the compiler keeps in registers."""

import math

from diorama.envs.rope.kernel.compiled import compiled, compiled_for

FOLDED = 1e-9


@compiled_for("UniTuple(float64, 3)(float64[:, ::1], int64, int64)")
def get(rows, i, at):
    """Three numbers of row ``i``, from column ``at``."""
    return rows[i, at], rows[i, at + 1], rows[i, at + 2]


@compiled_for("void(float64[:, ::1], int64, int64, UniTuple(float64, 3))")
def put(rows, i, at, a):
    """Writes three numbers of row ``i``."""
    rows[i, at] = a[0]
    rows[i, at + 1] = a[1]
    rows[i, at + 2] = a[2]


@compiled_for("void(float64[:, ::1], int64, int64, UniTuple(float64, 3))")
def gain(rows, i, at, a):
    """Adds to three numbers of row ``i``."""
    rows[i, at] += a[0]
    rows[i, at + 1] += a[1]
    rows[i, at + 2] += a[2]


@compiled_for("void(float64[:, ::1], float64)")
def fill(rows, value):
    """Writes the same number everywhere."""
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            rows[i, k] = value


@compiled_for("void(float64[:, ::1], float64[:, ::1])")
def copy_rows(source, target):
    """Writes ``source`` over ``target``."""
    for i in range(source.shape[0]):
        for k in range(source.shape[1]):
            target[i, k] = source[i, k]


@compiled
def add(a, b):
    """The sum."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@compiled
def sub(a, b):
    """The difference."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@compiled
def mul(s, a):
    """The vector times a number."""
    return s * a[0], s * a[1], s * a[2]


@compiled
def along(a, s, b):
    """``a + s b``."""
    return a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]


@compiled
def dot(a, b):
    """The inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def cross(a, b):
    """The vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@compiled
def norm(a):
    """The length."""
    return math.sqrt(dot(a, a))


@compiled
def chi(a, b):
    """One plus the cosine between two directions, kept from zero."""
    return max(1.0 + dot(a, b), FOLDED)


@compiled
def transport(v, a, b):
    """``v``, which stands across the direction ``a``, turned with it to the direction ``b``."""
    return along(v, -dot(v, b) / chi(a, b), add(a, b))
