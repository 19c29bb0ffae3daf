"""The physics of Push-T: N worlds in Chipmunk, called without pymunk's Python layer.

The agent is a kinematic circle driven by a PD law, so its path does not depend on contacts; the block is a free tee in
a medium that takes its whole velocity in each substep; four walls are fixed. Same engine, same order of construction
and same order of floating-point operations as gym-pusht 0.1.8, hence the same trajectories bit for bit.
"""

import functools
from typing import Any

import numpy as np

from diorama.core.errors import DioramaError, SpecError
from diorama.envs.pusht.geometry import part_vertices

SUBSTEP = 0.01
"""Time step of the engine [s]."""
STIFFNESS = 100.0
"""Proportional gain of the agent [1/s^2]."""
DAMPING = 20.0
"""Derivative gain of the agent [1/s]."""
DEFAULT_RADIUS = 15.0
"""Radius of the agent [px]."""

_WALLS = (((5, 506), (5, 5)), ((5, 5), (506, 5)), ((506, 5), (506, 506)), ((5, 506), (506, 506)))
_WALL_RADIUS = 2.0
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_AGENT_START, _BLOCK_START = (256.0, 400.0), (256.0, 300.0)
_AGENT, _BLOCK = 0, 1  # the order in which they join the space
_NUMBERS = 6  # x, y, angle, velocity x, velocity y, angular velocity


@functools.cache
def _chipmunk() -> tuple[Any, Any]:
    """The foreign functions of Chipmunk 7 as pymunk 6 ships them."""
    try:
        import pymunk
        from pymunk._chipmunk_cffi import ffi, lib
    except ImportError as error:
        raise DioramaError("Push-T runs in Chipmunk: install it with `pip install 'diorama[pusht]'`.") from error
    if int(pymunk.version.split(".")[0]) >= 7:
        raise DioramaError(f"Push-T needs pymunk below 7, not {pymunk.version}: `pip install 'diorama[pusht]'`.")
    return ffi, lib


def _free(lib: Any, shapes: list[Any], bodies: list[Any], space: Any) -> None:
    for shape in shapes:
        lib.cpSpaceRemoveShape(space, shape)
        lib.cpShapeFree(shape)
    for body in bodies:
        lib.cpSpaceRemoveBody(space, body)
        lib.cpBodyFree(body)
    lib.cpSpaceFree(space)


class _World:
    """One Chipmunk space with walls, agent and block. Freed with the object."""

    def __init__(self, scale: float, mass: float, friction: float, radius: float):
        ffi, lib = _chipmunk()
        raw = lib.cpSpaceNew()
        lib.cpSpaceSetDamping(raw, 0.0)
        shapes = self._add_walls(lib, raw)
        self.agent = lib.cpSpaceAddBody(raw, lib.cpBodyNewKinematic())
        lib.cpBodySetPosition(self.agent, _AGENT_START)
        shapes.append(lib.cpSpaceAddShape(raw, lib.cpCircleShapeNew(self.agent, radius, (0.0, 0.0))))
        self.block = self._add_block(lib, raw, shapes, scale, mass)
        block_shapes = shapes[-2:]
        for shape in shapes:
            # Chipmunk multiplies the two coefficients of a contact; gym-pusht leaves both at 0.
            lib.cpShapeSetFriction(shape, friction if shape in block_shapes else 1.0)
        self.space = ffi.gc(raw, functools.partial(_free, lib, shapes, [self.agent, self.block]))

    @staticmethod
    def _add_walls(lib: Any, space: Any) -> list[Any]:
        static = lib.cpSpaceGetStaticBody(space)
        return [lib.cpSpaceAddShape(space, lib.cpSegmentShapeNew(static, a, b, _WALL_RADIUS)) for a, b in _WALLS]

    @staticmethod
    def _add_block(lib: Any, space: Any, shapes: list[Any], scale: float, mass: float) -> Any:
        bar, stem = part_vertices(scale)
        # Twice the bar's moment, as gym-pusht has it. It does not grow with the mass: see `PushTPhysics`.
        moment = 2.0 * lib.cpMomentForPoly(1.0, 4, bar, (0.0, 0.0), 0.0)
        block = lib.cpBodyNew(mass, moment)
        parts = [lib.cpPolyShapeNew(block, 4, vertices, _IDENTITY, 0.0) for vertices in (bar, stem)]
        centres = [lib.cpShapeGetCenterOfGravity(part) for part in parts]
        centre = ((centres[0].x + centres[1].x) / 2, (centres[0].y + centres[1].y) / 2)
        lib.cpBodySetCenterOfGravity(block, centre)
        lib.cpBodySetAngle(block, 0.0)
        lib.cpBodySetPosition(block, _BLOCK_START)
        lib.cpSpaceAddBody(space, block)
        shapes.extend(lib.cpSpaceAddShape(space, part) for part in parts)
        return block


class PushTPhysics:
    """N worlds of Push-T that are set, pushed and read together. It holds the state; it cannot be rewound exactly.

    ``scale`` of the tee [px], ``mass`` of the block [kg], ``friction`` (Coulomb coefficient of the block with agent and
    walls) and ``radius`` of the agent [px] are numbers or arrays [N]. The moment of inertia is that of a block of 1 kg
    whatever the mass, as if ballast sat at the centre of gravity: since the agent is kinematic, a mass that scaled the
    moment too would not change any motion.
    """

    def __init__(
        self,
        count: int,
        *,
        scale: np.ndarray | float = 30.0,
        mass: np.ndarray | float = 1.0,
        friction: np.ndarray | float = 0.0,
        radius: np.ndarray | float = DEFAULT_RADIUS,
    ):
        ffi, lib = _chipmunk()
        self.count = count
        parameters = np.stack([np.broadcast_to(np.float64(p), count) for p in (scale, mass, friction, radius)], -1)
        self._parameters = [tuple(row) for row in parameters.tolist()]
        self._worlds: list[_World] = []
        self._bodies = np.zeros((count, 2, _NUMBERS))
        self._fields = lib.POSITION | lib.ANGLE | lib.VELOCITY | lib.ANGULAR_VELOCITY
        # Chipmunk's iterator appends to this array; it never grows it, since it is as long as all bodies need.
        self._floats = ffi.new("pmFloatArray *", {"num": 0, "max": self._bodies.size + 1})
        self._floats.arr = ffi.from_buffer("double[]", self._bodies)
        self._integers = ffi.new("pmIntArray *")
        self._sink = ffi.new(
            "pmBatchedData *", {"floatArray": self._floats, "intArray": self._integers, "fields": self._fields}
        )

    @property
    def agent_xy(self) -> np.ndarray:
        """Centres of the agents, [N, 2] in pixels (a copy, as all arrays of the state)."""
        return self._bodies[:, _AGENT, 0:2].copy()

    @property
    def agent_velocity(self) -> np.ndarray:
        """Velocities of the agents, [N, 2] in pixels per second."""
        return self._bodies[:, _AGENT, 3:5].copy()

    @property
    def block_xy(self) -> np.ndarray:
        """Origins of the tees' frames, [N, 2] in pixels."""
        return self._bodies[:, _BLOCK, 0:2].copy()

    @property
    def block_angle(self) -> np.ndarray:
        """Angles of the tees, [N] in radians, not wrapped."""
        return self._bodies[:, _BLOCK, 2].copy()

    @property
    def block_velocity(self) -> np.ndarray:
        """Velocities of the blocks' centres of gravity, [N, 2] in pixels per second."""
        return self._bodies[:, _BLOCK, 3:5].copy()

    @property
    def block_spin(self) -> np.ndarray:
        """Angular velocities of the blocks, [N] in radians per second."""
        return self._bodies[:, _BLOCK, 5].copy()

    def reset(self, agent_xy: np.ndarray, block_xy: np.ndarray, block_angle: np.ndarray) -> None:
        """Start as gym-pusht does: position, then angle about the centre of gravity, then one substep.

        Arrays [N, 2], [N, 2], [N]. The block's origin therefore ends elsewhere than asked; `set_pose` is exact.
        """
        _, lib = _chipmunk()
        self._rebuild()
        for world, agent, block, angle in self._rows(agent_xy, block_xy, block_angle):
            lib.cpBodySetPosition(world.agent, agent)
            lib.cpBodySetPosition(world.block, block)
            lib.cpBodySetAngle(world.block, angle)
            lib.cpSpaceStep(world.space, SUBSTEP)
        self._read()

    def set_pose(
        self,
        agent_xy: np.ndarray,
        block_xy: np.ndarray,
        block_angle: np.ndarray,
        agent_velocity: np.ndarray | float = 0.0,
        block_velocity: np.ndarray | float = 0.0,
        block_spin: np.ndarray | float = 0.0,
    ) -> None:
        """Start from exactly these poses and velocities, with empty contact caches and without a substep.

        Poses [N, 2], [N, 2], [N] (or one pose for all worlds), velocities likewise, in pixels, radians and seconds. An
        engine that went through contacts also remembers their impulses, so that a continuation can differ slightly
        from the run that the pose was taken from.
        """
        _, lib = _chipmunk()
        self._rebuild()
        states = self._rows(agent_xy, block_xy, block_angle)
        velocities = np.broadcast_to(np.float64(agent_velocity), (self.count, 2)).tolist()
        drifts = np.broadcast_to(np.float64(block_velocity), (self.count, 2)).tolist()
        spins = np.broadcast_to(np.float64(block_spin), (self.count,)).tolist()
        for (world, agent, block, angle), velocity, drift, spin in zip(states, velocities, drifts, spins, strict=True):
            lib.cpBodySetPosition(world.agent, agent)
            lib.cpBodySetVelocity(world.agent, velocity)
            lib.cpBodySetAngle(world.block, angle)
            lib.cpBodySetPosition(world.block, block)
            lib.cpBodySetVelocity(world.block, drift)
            lib.cpBodySetAngularVelocity(world.block, spin)
        self._read()

    def step(self, targets: np.ndarray) -> None:
        """Drive the agents towards ``targets`` [N, substeps, 2] in pixels, one target for each substep of 0.01 s."""
        if len(self._worlds) != self.count:
            raise DioramaError("The worlds have no pose yet; call reset or set_pose before step.")
        targets = np.asarray(targets, np.float64)
        if targets.ndim != 3 or targets.shape[0] != self.count or targets.shape[2] != 2:
            raise SpecError(f"Targets have shape {targets.shape}, but {self.count} worlds take [N, substeps, 2].")
        agents = self._bodies[:, _AGENT].tolist()
        for world, path, agent in zip(self._worlds, targets.tolist(), agents, strict=True):
            _drive(world, path, agent)
        self._read()

    def _rebuild(self) -> None:
        # A new space for each start: what happens next then never depends on what happened before.
        self._worlds = [_World(*row) for row in self._parameters]

    def _rows(self, agent_xy: Any, block_xy: Any, block_angle: Any) -> Any:
        agents = np.broadcast_to(np.float64(agent_xy), (self.count, 2)).tolist()
        blocks = np.broadcast_to(np.float64(block_xy), (self.count, 2)).tolist()
        angles = np.broadcast_to(np.float64(block_angle), (self.count,)).tolist()
        return zip(self._worlds, agents, blocks, angles, strict=True)

    def _read(self) -> None:
        ffi, lib = _chipmunk()
        collect = ffi.addressof(lib, "pmSpaceBodyGetIteratorFuncBatched")
        self._floats.num = 0
        for world in self._worlds:
            lib.cpSpaceEachBody(world.space, collect, self._sink)


def _drive(world: _World, path: list[list[float]], agent: list[float]) -> None:
    """Step one world along a path of targets. The agent's motion is worked out here: contacts cannot change it."""
    ffi, lib = _chipmunk()
    set_velocity, advance = lib.cpBodySetVelocity, lib.cpSpaceStep
    space, body = world.space, world.agent
    held = ffi.new("cpVect *")
    velocity = held[0]
    x, y, _, velocity_x, velocity_y, _ = agent
    for target_x, target_y in path:
        velocity_x += (STIFFNESS * (target_x - x) + DAMPING * (0.0 - velocity_x)) * SUBSTEP
        velocity_y += (STIFFNESS * (target_y - y) + DAMPING * (0.0 - velocity_y)) * SUBSTEP
        x += velocity_x * SUBSTEP
        y += velocity_y * SUBSTEP
        velocity.x, velocity.y = velocity_x, velocity_y
        set_velocity(body, velocity)
        advance(space, SUBSTEP)
