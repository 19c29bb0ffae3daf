"""One substep of quasi-static pushing: the agent goes its way, the tee yields. Pure JAX, one world."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.pusht.physics import DAMPING, STIFFNESS, SUBSTEP
from diorama.envs.pusht_quasistatic.contact import Touch, touch_agent, touch_wall, turned
from diorama.envs.pusht_quasistatic.limit_surface import Push, Twist, across, displaced, yielded

ROUNDS = 2
"""How often all contacts of a substep are visited in turn (Gauss-Seidel)."""
Vector = Float[Array, " 2"]
Scalar = Float[Array, ""]


class Bodies(Module):
    """Agent x, y [px] and its velocity [px/s]; origin [px] and angle [rad] of the tee."""

    agent_xy: Vector
    agent_velocity: Vector
    block_xy: Vector
    block_angle: Scalar


class Law(Module):
    """What decides how the tee yields.

    Its ``scale`` [px], the agent's ``radius`` [px], ``lever`` [px], how far the centre of friction is from the bar's
    outer edge ``centre`` [px], Coulomb's ``friction`` with the agent and with the walls, and the share ``yielding`` of
    an overlap that is given way to in a substep.
    """

    scale: Scalar
    radius: Scalar
    lever: Scalar
    centre: Scalar
    friction: Scalar
    wall_friction: Scalar
    yielding: Scalar


def advance(law: Law, bodies: Bodies, targets: Float[Array, "S 2"]) -> Bodies:
    """The bodies after a path of targets for the agent, one for each substep of 0.01 s."""

    def body(bodies: Bodies, target: Vector) -> tuple[Bodies, None]:
        return substep(law, bodies, target), None

    return jax.lax.scan(body, bodies, targets)[0]


def substep(law: Law, bodies: Bodies, target: Vector) -> Bodies:
    """The bodies 0.01 s later. The agent follows gym-pusht's law, which no contact disturbs."""
    velocity = (
        bodies.agent_velocity + (STIFFNESS * (target - bodies.agent_xy) - DAMPING * bodies.agent_velocity) * SUBSTEP
    )
    motion = velocity * SUBSTEP
    agent_xy = bodies.agent_xy + motion
    block_xy, block_angle = settle(law, agent_xy, motion, bodies.block_xy, bodies.block_angle)
    return Bodies(agent_xy, velocity, block_xy, block_angle)


def settle(law: Law, agent_xy: Vector, motion: Vector, block_xy: Vector, block_angle: Scalar) -> tuple[Vector, Scalar]:
    """Origin and angle of the tee once it yielded to the agent, which moved by ``motion``, and to the walls."""
    up = jnp.stack([jnp.zeros_like(law.centre), law.centre])
    first = jnp.append(block_xy + turned(up, block_angle), block_angle)

    def visit(pose: Twist, _: None) -> tuple[Twist, None]:
        for contact in ("bar", "stem", "wall"):
            origin = pose[:2] - turned(up, pose[2])
            if contact == "wall":
                touch, moved, friction = touch_wall(origin, pose[2], law.scale), 0.0 * motion, law.wall_friction
            else:
                part = ("bar", "stem").index(contact)
                touch = touch_agent(part, agent_xy, law.radius, origin, pose[2], law.scale)
                moved, friction = motion, law.friction
            push = _push(law, touch, moved, pose[:2], pose - first)
            pose = pose + yielded(push, law.lever, friction)
        return pose, None

    pose, _ = jax.lax.scan(visit, first, None, length=ROUNDS)
    return pose[:2] - turned(up, pose[2]), pose[2]


def _push(law: Law, touch: Touch, moved: Vector, centre: Vector, so_far: Twist) -> Push:
    """The contact as a push; ``moved``: how far the other body came, ``so_far``: how far the tee did in the substep."""
    arm = touch.point - centre
    slip = (moved - displaced(so_far, arm)) @ across(touch.inward)
    return Push(arm, touch.inward, law.yielding * touch.depth, slip)
