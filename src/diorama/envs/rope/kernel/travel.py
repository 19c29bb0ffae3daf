"""Many sub-steps of many ropes in periods of constant handles, and the adjoint, which goes back over checkpoints.

Every array has a leading axis of ropes; what all ropes share may have one of length 1.
"""

from diorama.envs.rope.kernel.arrays import Body, Grip, Make
from diorama.envs.rope.kernel.compiled import compiled, compiled_for, merged
from diorama.envs.rope.kernel.stepping import step, step_back
from diorama.envs.rope.kernel.touch import PAIRS
from diorama.envs.rope.kernel.vectors import copy_rows, fill


@merged
def body_at(bodies, b):
    """One of many states."""
    return Body(bodies.vertex[b], bodies.edge[b], bodies.joint[b])


@merged
def make_at(makes, b):
    """What one of many ropes is made of."""
    return Make(makes.vertex[b], makes.edge[b], makes.joint[b], makes.shape[b], makes.number[b])


@merged
def grip_at(grips, b):
    """The handles of one of many ropes, or of one period."""
    return Grip(grips.vertex[b], grips.edge[b])


@merged
def copy(source, target):
    """Copies a state."""
    copy_rows(source.vertex, target.vertex)
    copy_rows(source.edge, target.edge)
    copy_rows(source.joint, target.joint)


@compiled
def travel(ropes, starts, makes, plan, grips, steps, seen, kept, every, rooms):
    """Writes the state after each period of ``steps`` sub-steps to ``seen``, and one in ``every`` to ``kept``.

    For the ropes from ``ropes[0]`` to ``ropes[1]``, with ``rooms`` for a sub-step, its pairs, and two states. With an
    ``every`` of 1 the last state is kept too; with one of 0 none is.
    """
    work, touch, two = rooms
    for b in range(ropes[0], ropes[1]):
        touch.count[PAIRS] = -1
        make, held = make_at(makes, min(b, len(makes.number) - 1)), grip_at(grips, min(b, len(grips.vertex) - 1))
        recorded, saved = body_at(seen, b), body_at(kept, min(b, len(kept.vertex) - 1))
        copy(body_at(starts, b), body_at(two, 0))
        at = 0
        for period in range(len(held.vertex)):
            grip = grip_at(held, period)
            for ticks in range(steps):
                now = body_at(two, at % 2)
                if every > 0 and at % every == 0:
                    copy(now, body_at(saved, at // every))
                step(now, body_at(two, (at + 1) % 2), make, plan, grip, ticks, work, touch)
                at += 1
            copy(body_at(two, at % 2), body_at(recorded, period))
        if every == 1:
            copy(body_at(two, at % 2), body_at(saved, at))


@compiled_for("void(float64[:, ::1], float64[:, ::1])")
def gain_rows(source, target):
    """Adds ``source`` to ``target``."""
    for i in range(source.shape[0]):
        for k in range(source.shape[1]):
            target[i, k] += source[i, k]


@merged
def gain_body(source, target):
    """Adds derivatives by a state to others."""
    gain_rows(source.vertex, target.vertex)
    gain_rows(source.edge, target.edge)
    gain_rows(source.joint, target.joint)


@compiled
def travel_back(ropes, makes, plan, grips, steps, kept, every, seen_bar, start_bar, rooms):
    """The adjoint of `travel`, from derivatives by the states after each period, ``seen_bar``.

    ``rooms``: derivatives by materials and by handles, which are added to; room for a sub-step, for its
    pairs, for ``every + 1`` states between two checkpoints, and for two states.
    """
    mades, grippeds, work, touch, between, two = rooms
    for b in range(ropes[0], ropes[1]):
        touch.count[PAIRS] = -1
        make, held = make_at(makes, min(b, len(makes.number) - 1)), grip_at(grips, min(b, len(grips.vertex) - 1))
        made, grip_bar, saved, told = make_at(mades, b), grip_at(grippeds, b), body_at(kept, b), body_at(seen_bar, b)
        total, side = len(held.vertex) * steps, 0
        out = body_at(two, 0)
        fill(out.vertex, 0.0)
        fill(out.edge, 0.0)
        fill(out.joint, 0.0)
        stretch = total if every == 1 else every
        states = saved if every == 1 else between
        for part in range((total - 1) // stretch, -1, -1):
            first, last = part * stretch, min((part + 1) * stretch, total)
            if every > 1:
                copy(body_at(saved, part), body_at(between, 0))
                for at in range(first, last):
                    now, then = body_at(between, at - first), body_at(between, at - first + 1)
                    step(now, then, make, plan, grip_at(held, at // steps), at % steps, work, touch)
            for at in range(last - 1, first - 1, -1):
                out, to, period = body_at(two, side), body_at(two, 1 - side), at // steps
                if (at + 1) % steps == 0:
                    gain_body(body_at(told, period), out)
                now, then = body_at(states, at - first), body_at(states, at - first + 1)
                grip, gripped = grip_at(held, period), grip_at(grip_bar, period)
                step_back(now, then, make, plan, grip, at % steps, work, touch, out, to, made, gripped)
                side = 1 - side
        copy(body_at(two, side), body_at(start_bar, b))
