"""The kernel on whole batches: leading axes flattened, ropes shared out over threads, checkpoints laid out."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from diorama.envs.rope.kernel.arrays import Body, Grip, Make, Plan, Work, room
from diorama.envs.rope.kernel.touch import Touch, touch_room
from diorama.envs.rope.kernel.travel import travel, travel_back

Arrays = Sequence[Any]


@dataclass(frozen=True)
class Order:
    """What is to be done: the numbers of `Plan`, sub-steps in a period, in a checkpoint, and threads (0: all cores)."""

    plan: tuple[int, ...]
    steps: int
    every: int
    threads: int

    def saved(self, periods: int) -> int:
        """How many states are kept for the adjoint."""
        total = self.steps * periods
        return total + 1 if self.every == 1 else -(-total // self.every)


def there(order: Order, body: Arrays, make: Arrays, grips: Arrays, keep: bool) -> tuple[tuple, tuple]:
    """The states [..., T, ...] after each period, and the states that are kept for the adjoint."""
    kind = np.asarray(body[0]).dtype
    lead, (starts, makes, held) = _flat(((Body, body, 2), (Make, make, 2), (Grip, grips, 3)))
    starts = _each(starts, prod(lead))
    count, periods = len(starts.vertex), held.vertex.shape[1]
    seen, kept = _states(starts, (count, periods)), _states(starts, (count if keep else 1, order.saved(periods)))
    every = order.every if keep else 0

    def some(ropes: tuple[int, int]) -> None:
        rooms = (*_room(starts, order), _states(starts, (2,)))
        travel(ropes, starts, makes, Plan(*order.plan), held, order.steps, seen, kept, every, rooms)

    _share_out(some, count, order.threads)
    back = tuple(_shaped(part, lead, kind) for part in seen)
    return back, tuple(_shaped(part, lead, kind) for part in kept) if keep else ()


def back(order: Order, kept: Arrays, make: Arrays, grips: Arrays, bars: Arrays) -> tuple[tuple, tuple, tuple]:
    """Derivatives by the first state, by the materials and by the handles, from those by the states after periods."""
    kind = np.asarray(kept[0]).dtype
    lead, (saved, makes, held, told) = _flat(((Body, kept, 3), (Make, make, 2), (Grip, grips, 3), (Body, bars, 3)))
    count = prod(lead)
    saved, told = _each(saved, count), _each(told, count)
    like = Body(*(part[:, 0] for part in saved))
    start_bar = _states(like, (count,))
    mades = Make(*(np.zeros((count, *part.shape[1:])) for part in makes))
    grippeds = Grip(*(np.zeros((count, *part.shape[1:])) for part in held))

    def some(ropes: tuple[int, int]) -> None:
        rooms = (mades, grippeds, *_room(like, order), _states(like, (order.every + 1,)), _states(like, (2,)))
        travel_back(ropes, makes, Plan(*order.plan), held, order.steps, saved, order.every, told, start_bar, rooms)

    _share_out(some, count, order.threads)
    return tuple(tuple(_shaped(part, lead, kind) for part in parts) for parts in (start_bar, mades, grippeds))


def _flat(packs: tuple) -> tuple[tuple[int, ...], list]:
    """All leading axes in one, of float64 arrays; what they have in common."""
    ranks = [np.ndim(parts[0]) - rank for _, parts, rank in packs]
    leads = [
        np.broadcast_shapes(*(np.shape(part)[:own] for part in parts))
        for (_, parts, _), own in zip(packs, ranks, strict=True)
    ]
    lead = np.broadcast_shapes(*leads)
    flat = []
    for (kind, parts, _), own in zip(packs, leads, strict=True):
        whole, arrays = own if prod(own) == 1 else lead, []
        for part in parts:
            inner = np.shape(part)[len(own) :]
            part = np.broadcast_to(np.asarray(part, np.float64), (*whole, *inner))
            # A copy, since what JAX hands out may not be written to, which is another type for the compiler.
            arrays.append(np.array(part.reshape(prod(whole), *inner), order="C"))
        flat.append(kind(*arrays))
    return lead, flat


def _each(bodies: Body, count: int) -> Body:
    """One for each rope."""
    return Body(*(np.array(np.broadcast_to(part, (count, *part.shape[1:])), order="C") for part in bodies))


def _shaped(part: np.ndarray, lead: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):  # A rope that tore may fly beyond float32; it is infinite there, and has ended.
        return part.reshape(*lead, *part.shape[1:]).astype(kind, copy=False)


def _states(like: Body, shape: tuple[int, ...]) -> Body:
    return Body(*(np.zeros((*shape, *part.shape[1:])) for part in like))


def _room(like: Body, order: Order) -> tuple[Work, Touch]:
    (vertices, edges, joints), plan = (part.shape[1] for part in like), Plan(*order.plan)
    itself = bool(plan.itself)
    return room(vertices, edges, joints, plan.sweeps), touch_room(vertices, edges, plan.sweeps, itself)


def _share_out(some: Callable[[tuple[int, int]], None], count: int, threads: int) -> None:
    """Runs ``some`` on parts of so many ropes, in threads; the kernel does not hold the interpreter's lock."""
    workers = min(count, threads or len(os.sched_getaffinity(0)))
    if workers <= 1:
        some((0, count))
        return
    cuts = [count * part // workers for part in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(some, itertools.pairwise(cuts)))
