"""How a rod is carried through time: the readable steps of JAX, the same in a compiled kernel, or implicit steps.

The numbers of the first two agree to rounding; those of implicit steps come near them as the step gets short. An
execution is an object, as is every choice. All of them take periods of constant handles and give the state after each
period, and all can be differentiated with respect to everything but the length of the sub-step.
"""

import abc
import importlib
import importlib.util
import logging
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core import Module, field
from diorama.core.errors import SpecError
from diorama.envs.rope.handles import Handles, later
from diorama.envs.rope.implicit import implicit_step
from diorama.envs.rope.integrator import Scheme, clock_of, simulate
from diorama.envs.rope.newton import SOLUTION, Newton
from diorama.envs.rope.packing import pack_body, pack_grips, pack_make, unpack_body
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.together import Bodies, Together, simulate_together


class Execution(Module):
    """A way to compute what happens to a rod."""

    @abc.abstractmethod
    def travel(
        self, rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, *, steps: int
    ) -> RodState:
        """The states after each of T periods of ``steps`` sub-steps, with a leading axis T.

        ``handles`` has a leading axis T too: in each period they move evenly. A batch of ropes is `jax.vmap`.
        """


def constant(handles: Handles, periods: int = 1) -> Handles:
    """The same handles in each period; see `handles.going_on` for targets that go on moving."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[None], (periods, *leaf.shape)), handles)


class Readable(Execution):
    """The sub-step as it is written in `integrator`, compiled by XLA for whatever device JAX uses."""

    def travel(
        self, rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, *, steps: int
    ) -> RodState:
        """See `Execution`; keeps about the root of ``steps`` states of a period for a gradient."""

        def period(held: RodState, grip: Handles) -> tuple[RodState, RodState]:
            after = simulate(rod, held, around, grip, scheme, steps=steps)[0]
            return after, after

        return jax.lax.scan(jax.checkpoint(period), state, handles)[1]


def travel_together(
    execution: Execution,
    rod: Rod,
    bodies: Bodies,
    state: Together,
    around: Surroundings,
    handles: Handles,
    scheme: Scheme,
    *,
    steps: int,
) -> Together:
    """As `Execution.travel`, of a rod and free rigid bodies; for a gradient it keeps the state of each period.

    Raises `SpecError` for executions other than `Readable`, which know none.
    """
    if not isinstance(execution, Readable):
        raise SpecError(f"{type(execution).__name__} knows no free bodies; use the execution `Readable`.")

    def period(held: Together, grip: Handles) -> tuple[Together, Together]:
        after = simulate_together(rod, bodies, held, around, grip, scheme, steps=steps)[0]
        return after, after

    return jax.lax.scan(period, state, handles)[1]


class Implicit(Execution):
    """Implicit Euler steps (see `implicit`), of 2 to 10 ms where `Readable` needs a hundred sub-steps, in JAX alone.

    Motion faster than the step is damped. ``method`` says how the equations of a step are solved. From a step that was
    not solved on, all states are not numbers; `implicit.implicit_step` tells how far it came. Contact of rods with
    rods asks for ``Newton(Dense())`` and raises `SpecError` with another solver.
    """

    method: Newton = Newton()

    def travel(
        self, rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, *, steps: int
    ) -> RodState:
        """See `Execution`; for a gradient it keeps each state, and seeks no solution twice."""

        @partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(SOLUTION))
        def step(held: tuple[RodState, Array | None], grip: Handles) -> tuple[RodState, Array | None]:
            now, ticks = held
            grip = grip if ticks is None else later(grip, ticks * scheme.step)
            after = implicit_step(rod, now, around, grip, scheme, self.method)[0]
            return after, None if ticks is None else ticks + 1.0

        def period(held: RodState, grip: Handles) -> tuple[RodState, RodState]:
            begun = (held, clock_of(grip, scheme))
            after = jax.lax.scan(lambda now, _: (step(now, grip), None), begun, None, length=steps)[0][0]
            return after, after

        return jax.lax.scan(period, state, handles)[1]


class Kernel(Execution):
    """The sub-step and its adjoint in machine code for CPUs (numba), in double precision whatever comes in.

    Under `jax.vmap` one call takes the whole batch, shared out over ``threads`` (0: one for each core). For a gradient
    it keeps one state in ``every`` and computes the rest again: 0 stands for the root of the number of sub-steps, 1
    keeps all of them, which is faster for some hundred sub-steps of one rope and slower for more (memory). Raises
    `SpecError` where numba is missing (the extra ``rope``).
    """

    threads: int = field(static=True, default=0)
    every: int = field(static=True, default=0)

    def travel(
        self, rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, *, steps: int
    ) -> RodState:
        """See `Execution`."""
        order = _ordered(self, rod, around, handles, scheme, steps)
        body, make = pack_body(jnp, state), pack_make(jnp, (), rod, around, scheme)
        return unpack_body(state, _travel(order, body, make, pack_grips(jnp, handles)))

    def batch(
        self, rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, *, steps: int
    ) -> RodState:
        """As `travel`, of B ropes on NumPy arrays and without JAX: states [B, T, ...].

        Every leaf of ``state`` has a leading axis B, every leaf of ``handles`` leading axes [B or 1, T]; those of the
        rest may have one or not, but then all of ``rod`` or none, all of ``around`` or none.
        """
        order = _ordered(self, rod, around, handles, scheme, steps)
        count = len(state.position)
        lead = (count,) if np.ndim(rod.mass) > 1 or np.ndim(around.drag) > 0 else (1,)
        host = jax.tree.map(np.asarray, (rod, state, around, handles, scheme))
        rod, state, around, handles, scheme = host
        body, make = pack_body(np, state), pack_make(np, lead, rod, around, scheme)
        return unpack_body(state, _driving().there(order, body, make, pack_grips(np, handles), False)[0])


def best(threads: int = 0) -> Execution:
    """The kernel where numba is installed; else the readable steps, which it logs."""
    if importlib.util.find_spec("numba") is not None:
        return Kernel(threads)
    logging.getLogger(__name__).warning("numba is missing (the extra rope): ropes are carried by JAX, more slowly.")
    return Readable()


def _driving() -> ModuleType:
    if importlib.util.find_spec("numba") is None:
        raise SpecError("The kernel needs numba; install the extra `rope`, or use the execution `Readable`.")
    return importlib.import_module("diorama.envs.rope.kernel.driving")


def _ordered(kernel: Kernel, rod: Rod, around: Surroundings, handles: Handles, scheme: Scheme, steps: int) -> Any:
    periods = handles.vertices.shape[-2]
    if steps < 1 or periods < 1:
        raise SpecError(f"{periods} periods of {steps} sub-steps are no time; give at least one of each.")
    total = steps * periods
    every = kernel.every or (1 if total <= 64 else int(np.ceil(np.sqrt(total))))
    points = around.contact.points if around.contact is not None else 1
    plan = (
        int(rod.closed),
        int(rod.plasticity is not None),
        int(scheme.inextensible),
        scheme.sweeps,
        points,
        0 if around.contact is None else len(around.shapes),
        int(around.self_contact is not None),
        int(around.force is not None),
        int(handles.springs is not None),
        0 if rod.hysteresis is None else rod.hysteresis.slip.shape[-1],
    )
    return _driving().Order(plan, steps, every, kernel.threads)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _travel(order: Any, body: tuple, make: tuple, grips: tuple) -> tuple:
    return _there(order, body, make, grips, False)[0]


def _there(order: Any, body: tuple, make: tuple, grips: tuple, keep: bool) -> tuple:
    periods, kind = grips[0].shape[0], body[0].dtype
    seen = tuple(jax.ShapeDtypeStruct((periods, *part.shape), kind) for part in body)
    kept = tuple(jax.ShapeDtypeStruct((order.saved(periods), *part.shape), kind) for part in body) if keep else ()
    return _on_host(partial(_driving().there, order, keep=keep), (seen, kept), body, make, grips)


def _travel_there(order: Any, body: tuple, make: tuple, grips: tuple) -> tuple:
    seen, kept = _there(order, body, make, grips, True)
    return seen, (kept, make, grips)


def _travel_back(order: Any, saved: tuple, bars: tuple) -> tuple:
    kept, make, grips = saved
    like = [
        tuple(jax.ShapeDtypeStruct(part.shape[at:], part.dtype) for part in parts)
        for at, parts in ((1, kept), (0, make), (0, grips))
    ]
    return _on_host(partial(_driving().back, order), tuple(like), kept, make, grips, tuple(bars))


def _on_host(function: Callable, like: Any, *packs: tuple) -> Any:
    """Calls ``function`` on NumPy arrays; ``like`` are the shapes that it returns.

    Double precision crosses over as pairs of whole numbers: the thread that JAX calls back on need not have the setting
    for double precision of the one that asked, and would round.
    """
    wide = packs[0][0].dtype == jnp.float64
    if not wide:
        return jax.pure_callback(function, like, *packs, vmap_method="expand_dims")

    def called(*halves: Any) -> Any:
        whole = jax.tree.map(lambda half: np.ascontiguousarray(half).view(np.float64)[..., 0], halves)
        return jax.tree.map(lambda part: np.ascontiguousarray(part)[..., None].view(np.uint32), function(*whole))

    shapes = jax.tree.map(lambda shape: jax.ShapeDtypeStruct((*shape.shape, 2), jnp.uint32), like)
    halves = jax.tree.map(lambda part: jax.lax.bitcast_convert_type(part, jnp.uint32), packs)
    found = jax.pure_callback(called, shapes, *halves, vmap_method="expand_dims")
    return jax.tree.map(lambda half: jax.lax.bitcast_convert_type(half, jnp.float64), found)


_travel.defvjp(_travel_there, _travel_back)
