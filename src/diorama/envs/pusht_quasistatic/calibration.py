"""Identify the four parameters of the quasi-static tee from real transitions, by robust least squares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import least_squares

from diorama.core import SpecError, Window, filter_jit
from diorama.core.env import Scenario
from diorama.envs.pusht.geometry import DEFAULT_SCALE, wrap_angle
from diorama.envs.pusht.interface import Interface
from diorama.envs.pusht_quasistatic.env import QuasiStaticPushT
from diorama.envs.pusht_quasistatic.parameters import Parameters, by_geometry

BOUNDS = {"lever": (0.3, 5.0), "centre": (0.0, 4.0), "yielding": (0.05, 1.0), "grip": (0.0, 1.0)}
"""Where each parameter is looked for."""
NEAR = 3.0
"""Errors beyond this [px] count linearly, not squared: a contact that is missed shall not decide."""
STEP = 0.01
"""Step of the differences, as a share of the bounds."""
Features = Float[Array | np.ndarray, "*B 8"]
_ARM = 2.0 * DEFAULT_SCALE  # turns an angle into a length that weighs as much as a shift


class Identified(NamedTuple):
    """The parameters found; root mean squared errors [px] before and after; how sure each parameter is.

    ``spread`` is one standard deviation by the curvature of the cost, for errors that are independent; windows that
    overlap are not, so read it as a lower bound. ``windows``: how many windows had contact and were used.
    """

    parameters: Parameters
    before: float
    after: float
    spread: dict[str, float]
    windows: int


def identify(
    interface: Interface, windows: Window, start: Parameters | None = None, scenario: Scenario | None = None
) -> Identified:
    """Fit the parameters so that the block's motion over windows ``[N, T]`` of real interaction is reproduced.

    ``windows`` show the observation ``features``; each is imagined open-loop from its first observation. The error is
    that of the block's place [px] and its angle times 60 px, over all real steps. Windows without any motion of the
    block say nothing and are left out. ``scenario``: the one in force (default: that of the world). Raises `SpecError`
    where no window has contact.
    """
    windows = moving(windows)
    errors = _errors(interface, windows, scenario)
    compiled = filter_jit(errors)
    first = (start or by_geometry()).numbers()
    low, high = (np.array([BOUNDS[name][end] for name in first]) for end in (0, 1))

    def error(share: np.ndarray) -> np.ndarray:
        return np.asarray(compiled(jnp.asarray(low + share * (high - low), jnp.float32)), np.float64)

    guess = (np.array(list(first.values())) - low) / (high - low)
    found = least_squares(
        error,
        np.clip(guess, STEP, 1 - STEP),
        lambda share: _slope(error, share),
        bounds=(0.0, 1.0),
        loss="soft_l1",
        f_scale=NEAR,
        max_nfev=40,
    )
    spread = _spread(found.jac, found.fun) * (high - low)
    return Identified(
        Parameters.of(*(low + found.x * (high - low)).tolist()),
        _size(error(guess)),
        _size(found.fun),
        dict(zip(first, spread.tolist(), strict=True)),
        len(windows.action),
    )


def moving(windows: Window) -> Window:
    """The windows in which the block moves by more than 1 px or 0.01 rad. Raises `SpecError` where there is none."""
    seen = np.asarray(windows.observation["features"], np.float64)
    shift = np.linalg.norm(seen[:, -1, 4:6] - seen[:, 0, 4:6], axis=-1)
    turn = np.abs(wrap_angle(_angle(seen[:, -1]) - _angle(seen[:, 0])))
    chosen = (shift > 1.0) | (turn > 0.01)
    if not chosen.any():
        raise SpecError("The block moves in none of these windows; give windows of real pushes.")
    return jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], windows)


def _errors(
    interface: Interface, windows: Window, scenario: Scenario | None
) -> Callable[[Float[Array, " 4"]], Float[Array, " n"]]:
    """The errors [N * T * 3] of the block as a function of the parameters [4]."""
    seen = jnp.asarray(windows.observation["features"], jnp.float32)
    action, mask = jnp.asarray(windows.action, jnp.float32), jnp.asarray(windows.mask, jnp.float32)

    def errors(numbers: Float[Array, " 4"]) -> Float[Array, " n"]:
        world = QuasiStaticPushT(interface, ("features",), Parameters(*numbers))

        def one(first: Array, actions: Array) -> Array:
            def body(state: object, action: Array) -> tuple:
                state = world.step(state, action, jax.random.key(0))
                return state, world.observe(state)["features"]

            return jax.lax.scan(body, world.seen_at({"features": first}, scenario), actions)[1]

        said = jax.vmap(one)(seen[:, 0], action)
        return (block_difference(said, seen[:, 1:]) * mask[..., None]).reshape(-1)

    return errors


def block_difference(said: Features, seen: Features) -> Float[Array, "*B 3"]:
    """How far the block of some ``features`` is from that of others: x, y [px], and the angle times 60 px."""
    sine = seen[..., 6] * said[..., 7] - seen[..., 7] * said[..., 6]
    cosine = seen[..., 6] * said[..., 6] + seen[..., 7] * said[..., 7]
    turn = _ARM * jnp.arctan2(sine, cosine)
    return jnp.concatenate([said[..., 4:6] - seen[..., 4:6], turn[..., None]], axis=-1)


def _angle(features: np.ndarray) -> np.ndarray:
    return np.arctan2(features[..., 7], features[..., 6])


def _slope(error: Callable[[np.ndarray], np.ndarray], share: np.ndarray) -> np.ndarray:
    """Differences over a step as wide as contacts are rough: the exact derivative follows every graze of a corner."""
    columns = []
    for number in range(len(share)):
        low, high = share.copy(), share.copy()
        low[number], high[number] = max(share[number] - STEP, 0.0), min(share[number] + STEP, 1.0)
        columns.append((error(high) - error(low)) / (high[number] - low[number]))
    return np.stack(columns, axis=1)


def _size(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _spread(jacobian: np.ndarray, errors: np.ndarray) -> np.ndarray:
    freedom = max(len(errors) - jacobian.shape[1], 1)
    return np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * (errors @ errors) / freedom)
