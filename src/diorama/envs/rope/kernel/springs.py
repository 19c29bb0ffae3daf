"""Springs that draw a vertex or a section to its target (see `springs` of the readable rod), and their adjoint.

A section has one number where a vertex has three: the other two are zero.
"""

from diorama.envs.rope.kernel.arrays import (
    ANGLE,
    FORCE,
    FORCE_BAR,
    INERTIA,
    MASS,
    POSITION,
    SPIN,
    SPUN,
    SPUN_BAR,
    STEP,
    VELOCITY,
)
from diorama.envs.rope.kernel.compiled import compiled
from diorama.envs.rope.kernel.vectors import along, dot, gain, get, mul, norm, sub


@compiled
def drawn(of, inertia, step, away, slower):
    """The force of a spring, of which ``of`` are stiffness, damping and limit."""
    force = along(mul(of[0], away), of[1] / (1.0 + step * of[1] / inertia), slower)
    size = norm(force)
    return mul(of[2] / size, force) if size > of[2] else force


@compiled
def drawn_back(of, inertia, step, away, slower, bar):
    """The adjoint of `drawn`: derivatives by the spring, the inertia, ``away`` and ``slower``."""
    share = 1.0 / (1.0 + step * of[1] / inertia)
    force = along(mul(of[0], away), of[1] * share, slower)
    size, limit_bar = norm(force), 0.0
    if size > of[2]:
        limit_bar = dot(bar, force) / size
        bar = mul(of[2] / size, along(bar, -limit_bar / size, force))
    damps = dot(bar, slower) * share * share
    by_inertia = damps * step * of[1] * of[1] / inertia**2
    return (dot(bar, away), damps, limit_bar), by_inertia, mul(of[0], bar), mul(of[1] * share, bar)


@compiled
def aim_of_vertex(now, grip, i, time):
    """What leads from a vertex to its target, how much faster that is, and the spring."""
    row = grip.vertex[i]
    told = row[1], row[2], row[3]
    target = along((row[4], row[5], row[6]), time, told)
    place, speed = get(now.vertex, i, POSITION), get(now.vertex, i, VELOCITY)
    return sub(target, place), sub(told, speed), (row[7], row[8], row[9])


@compiled
def aim_of_section(now, grip, e, time):
    """As `aim_of_vertex`, of a section."""
    row = grip.edge[e]
    away, slower = row[2] + time * row[1] - now.edge[e, ANGLE], row[1] - now.edge[e, SPIN]
    return (away, 0.0, 0.0), (slower, 0.0, 0.0), (row[3], row[4], row[5])


@compiled
def draw(now, make, grip, ticks, work):
    """Adds the forces and torques of all springs."""
    step = make.number[STEP]
    for i in range(now.vertex.shape[0]):
        away, slower, of = aim_of_vertex(now, grip, i, ticks * step)
        gain(work.vertex, i, FORCE, drawn(of, make.vertex[i, MASS], step, away, slower))
    for e in range(now.edge.shape[0]):
        away, slower, of = aim_of_section(now, grip, e, ticks * step)
        work.edge[e, SPUN] += drawn(of, make.edge[e, INERTIA], step, away, slower)[0]


@compiled
def draw_back(now, make, grip, ticks, work, to, made, gripped):
    """The adjoint of `draw`, from ``work.force_bar`` and ``work.spun_bar``."""
    step = make.number[STEP]
    time = ticks * step
    for i in range(now.vertex.shape[0]):
        away, slower, of = aim_of_vertex(now, grip, i, time)
        bar, row = get(work.vertex, i, FORCE_BAR), gripped.vertex[i]
        of_bar, by_mass, away_bar, slower_bar = drawn_back(of, make.vertex[i, MASS], step, away, slower, bar)
        made.vertex[i, MASS] += by_mass
        gain(to.vertex, i, POSITION, mul(-1.0, away_bar))
        gain(to.vertex, i, VELOCITY, mul(-1.0, slower_bar))
        for k in range(3):
            row[1 + k] += time * away_bar[k] + slower_bar[k]
            row[4 + k] += away_bar[k]
            row[7 + k] += of_bar[k]
    for e in range(now.edge.shape[0]):
        away, slower, of = aim_of_section(now, grip, e, time)
        bar, row = (work.edge[e, SPUN_BAR], 0.0, 0.0), gripped.edge[e]
        of_bar, by_inertia, away_bar, slower_bar = drawn_back(of, make.edge[e, INERTIA], step, away, slower, bar)
        made.edge[e, INERTIA] += by_inertia
        to.edge[e, ANGLE] -= away_bar[0]
        to.edge[e, SPIN] -= slower_bar[0]
        row[1] += time * away_bar[0] + slower_bar[0]
        row[2] += away_bar[0]
        for k in range(3):
            row[3 + k] += of_bar[k]
