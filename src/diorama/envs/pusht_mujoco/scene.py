"""The MuJoCo scene of Push-T: a tee of two boxes on a plane, four walls, and a round agent.

1 px is 1 mm; x and y are those of the table, z is up. The tee slides and turns but cannot tip: it has three slides and
a hinge, and rests on the plane by its weight, so that table friction is MuJoCo's own, at the corners of the boxes.
"""

from typing import Any, NamedTuple

import numpy as np

from diorama.core.errors import DioramaError
from diorama.envs.pusht.geometry import UNIT_BOXES
from diorama.envs.pusht_mujoco.config import Table

MILLIMETRE = 1e-3
"""Metres in a pixel."""
HEIGHT = 20.0
"""Height of the tee [px]."""
AGENT_MASS = 1000.0
"""So heavy [kg] that the tee does not disturb it within a substep."""
LEAST_FRICTION = 1e-5
"""MuJoCo's smallest coefficient of friction."""
_WALLS = (7.0, 504.0)
_THICK = 50.0
AGENT, BLOCK = slice(0, 2), slice(2, 4)
ANGLE = 5
"""Where agent x, y, tee x, y and the tee's angle stand in ``qpos``."""


class Body(NamedTuple):
    """What differs between worlds: the tee's scale [px], its mass [kg], friction of its sides, the agent's radius [px].

    The moment of inertia is that of an even tee of 1 kg whatever the mass, as in Push-T's other worlds.
    """

    scale: float
    mass: float
    friction: float
    radius: float


def mujoco() -> Any:
    """The engine. Raises `DioramaError` where it is not installed."""
    try:
        import mujoco as engine
    except ImportError as error:
        raise DioramaError("This Push-T runs in MuJoCo: install it with `pip install 'diorama[mujoco]'`.") from error
    return engine


def compiled(body: Body, table: Table) -> Any:
    """The ``MjModel`` of one world."""
    return mujoco().MjModel.from_xml_string(mjcf(body, table))


def mjcf(body: Body, table: Table) -> str:
    """The MJCF of one world."""
    return f"""<mujoco model="push-t">
  <option timestep="{table.timestep}" integrator="implicitfast" cone="elliptic" impratio="10" iterations="50"/>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <geom name="table" type="plane" size="1 1 0.1"/>
    {_walls()}
    <body name="agent">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <geom name="agent" type="capsule" mass="{AGENT_MASS}" size="{body.radius * MILLIMETRE}"
            fromto="0 0 0 0 0 {HEIGHT * MILLIMETRE}"/>
    </body>
    <body name="tee">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
      <joint type="slide" axis="0 0 1"/>
      <joint type="hinge" axis="0 0 1"/>
      {_tee(body)}
    </body>
  </worldbody>
  <contact>
    {_pairs(body, table)}
  </contact>
</mujoco>"""


def _walls() -> str:
    low, high = (np.array(_WALLS) + [-_THICK, _THICK]) * MILLIMETRE
    middle, half, long = (low + high) / 2, _THICK * MILLIMETRE, 0.4
    places = (
        (low, middle, half, long),
        (middle, low, long, half),
        (high, middle, half, long),
        (middle, high, long, half),
    )
    return "\n    ".join(
        f'<geom name="wall{n}" type="box" pos="{x} {y} 0" size="{a} {b} 0.1"/>' for n, (x, y, a, b) in enumerate(places)
    )


def _tee(body: Body) -> str:
    boxes = UNIT_BOXES * body.scale * MILLIMETRE
    areas = np.prod(UNIT_BOXES[:, 1] - UNIT_BOXES[:, 0], axis=1) / 7.0
    centres, sizes = boxes.mean(axis=1), boxes[:, 1] - boxes[:, 0]
    centroid = areas @ centres
    away = np.sum((centres - centroid) ** 2, axis=1)
    moment = float(areas @ (np.sum(sizes**2, axis=1) / 12 + away))
    high = HEIGHT / 2 * MILLIMETRE
    lines = [
        f'<inertial pos="{centroid[0]} {centroid[1]} {high}" mass="{body.mass}" '
        f'diaginertia="{moment} {moment} {moment}"/>'
    ]
    lines += [
        f'<geom name="{name}" type="box" pos="{x} {y} {high}" size="{w / 2} {h / 2} {high}"/>'
        for name, (x, y), (w, h) in zip(("bar", "stem"), centres, sizes, strict=True)
    ]
    return "\n      ".join(lines)


def _pairs(body: Body, table: Table) -> str:
    side = max(body.friction, LEAST_FRICTION)
    stiff = f'solref="{table.softness} {table.damping}" solimp="0.95 0.99 0.001"'
    lines = []
    for part in ("bar", "stem"):
        lines.append(_pair(part, "table", table.friction, ""))
        lines += [_pair(part, other, side, stiff) for other in ("agent", "wall0", "wall1", "wall2", "wall3")]
    return "\n    ".join(lines)


def _pair(first: str, second: str, friction: float, more: str) -> str:
    slide = f"{friction} {friction} 0.001 0.0001 0.0001"
    return f'<pair geom1="{first}" geom2="{second}" condim="3" friction="{slide}" {more}/>'
