"""Teaching worlds in pure JAX with known answers, for tests and docs."""

from diorama.envs.teaching.ball_wall import BallWall, BallWallState
from diorama.envs.teaching.cart_pole import CartPole, CartPoleState
from diorama.envs.teaching.counter import Counter
from diorama.envs.teaching.double_pendulum import DoublePendulum, DoublePendulumState
from diorama.envs.teaching.pendulum import Pendulum, PendulumState
from diorama.envs.teaching.point_mass import PointMass, PointMassState

__all__ = [
    "BallWall",
    "BallWallState",
    "CartPole",
    "CartPoleState",
    "Counter",
    "DoublePendulum",
    "DoublePendulumState",
    "Pendulum",
    "PendulumState",
    "PointMass",
    "PointMassState",
]
