"""`check_model`: does a world model keep the contract of `WorldModel`? Run it on your own before anything else."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from diorama.core import (
    ConformanceError,
    EnvSpec,
    Prediction,
    Window,
    WorldModel,
    combine,
    filter_jit,
    is_array,
    is_inexact_array,
    partition,
    tree_at,
)
from diorama.core.conformance import (
    Report,
    attempt,
    expect,
    finite,
    form,
    leaves,
    random_array,
    run_checks,
    same,
    traces_alike,
)

_ROUNDING = 1e-4
_NO_CHANGE = 1e-5
_LENGTH = 6
_IMPURE = "draw all randomness from `key`, and keep no state outside of the belief."
_VMAP = "Write the model for one world, with jax.numpy only; the batch is jax.vmap at the call."


def check_model(model: Any, window: Window | None = None, key: PRNGKeyArray | None = None) -> Report:
    """Check a model against its spec and its contract; returns which checks it passed.

    ``window`` is one window (no batch axis) of at least three steps that all happened; without it a random one of six
    steps is drawn from the spec. The first fault raises `ConformanceError`, one sentence with the fault and its mend.
    It compiles the loss and its gradient, so it takes as long as they do.
    """
    if not isinstance(model, WorldModel):
        raise ConformanceError(f"{type(model).__name__} is not a WorldModel; derive it from diorama.core.WorldModel.")
    subject = type(model).__name__
    key = jax.random.key(0) if key is None else key
    report = run_checks(subject, {"spec": _check_spec}, model)
    window = random_window(model.spec, _LENGTH, seed=0) if window is None else jax.tree.map(jnp.asarray, window)
    expect(window.length >= 3, f"A window of {window.length} steps is too short to check a model; give at least 3.")
    return Report(subject, (*report.passed, *run_checks(subject, CHECKS, _Case(model, window, key)).passed))


def random_window(spec: EnvSpec, length: int, seed: int) -> Window:
    """A window without meaning: observations and actions drawn within their bounds, all steps real. For checks only."""
    rng = np.random.default_rng(seed)
    return Window(
        {name: jnp.asarray(random_array(array, rng, length + 1)) for name, array in spec.observation.items()},
        jnp.asarray(random_array(spec.action, rng, length)),
        jnp.asarray(rng.normal(size=length), jnp.float32),
        jnp.zeros(length, bool),
        jnp.ones(length, bool),
    )


class _Case:
    """A model, a window, and the compiled programs that the checks share."""

    def __init__(self, model: WorldModel, window: Window, key: PRNGKeyArray) -> None:
        self.model, self.window, self.key = model, window, key

    def seen(self, time: int) -> Any:
        """The observation of the window at one time."""
        return {name: array[time] for name, array in self.window.observation.items()}

    @cached_property
    def beliefs(self) -> dict[str, Any]:
        """A belief from each of the four methods that make one."""
        model, key, action = self.model, self.key, self.window.action[0]
        start = attempt("Compiling `start`", _VMAP, _start, model, self.seen(0), key)
        return {
            "start": start,
            "step": attempt("Compiling `step`", _VMAP, _step, model, start, action, key),
            "update": attempt("Compiling `update`", _VMAP, _update, model, start, action, self.seen(1), key),
            "infer": attempt("Compiling `infer`", _VMAP, _infer, model, self.window, key),
        }

    @cached_property
    def predictions(self) -> dict[str, Any]:
        """What each of those beliefs says."""
        return {name: attempt("Compiling `read`", _VMAP, _read, self.model, b) for name, b in self.beliefs.items()}

    def loss(self, window: Window, key: PRNGKeyArray | None = None) -> tuple[Any, Any, Any]:
        """The loss, its gradient and the metrics."""
        return attempt("Compiling `loss`", _VMAP, _loss, self.model, window, self.key if key is None else key)

    @cached_property
    def other(self) -> Window:
        """A window of the same shape in which every number is another one."""
        rolled = jax.tree.map(lambda array: jnp.roll(array, 1, axis=0), self.window)
        noise = random_window(self.model.spec, self.window.length, seed=1)
        ended = jnp.zeros(self.window.length, bool).at[-1].set(True)
        observation = {name: noise.observation[name].astype(a.dtype) for name, a in rolled.observation.items()}
        return Window(observation, noise.action, self.window.reward + noise.reward + 1.0, ended, self.window.mask)


@filter_jit
def _start(model: WorldModel, observation: Any, key: Any) -> Any:
    return model.start(observation, key)


@filter_jit
def _step(model: WorldModel, belief: Any, action: Any, key: Any) -> Any:
    return model.step(belief, action, key)


@filter_jit
def _update(model: WorldModel, belief: Any, action: Any, observation: Any, key: Any) -> Any:
    return model.update(belief, action, observation, key)


@filter_jit
def _infer(model: WorldModel, window: Window, key: Any) -> Any:
    return model.infer(window, key)


@filter_jit
def _read(model: WorldModel, belief: Any) -> Any:
    return model.read(belief)


@filter_jit
def _loss(model: WorldModel, window: Window, key: Any) -> tuple[Any, Any, Any]:
    parameters, rest = partition(model, is_inexact_array)

    def loss(parameters: Any) -> tuple[Any, Any]:
        return combine(parameters, rest).loss(window, key)

    (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
    return value, gradient, metrics


def _check_spec(model: WorldModel) -> None:
    spec = getattr(model, "spec", None)
    expect(isinstance(spec, EnvSpec), f"spec is {type(spec).__name__}; declare `spec: EnvSpec = field(static=True)`.")


def _belief(case: _Case) -> None:
    wanted = form(case.beliefs["start"])
    for name, belief in case.beliefs.items():
        expect(
            form(belief) == wanted,
            f"`{name}` returns a belief of another structure, shape or dtype than `start`, so no scan can carry it; "
            f"make them equal: {wanted[1]} and {form(belief)[1]}.",
        )
        expect(finite(belief), f"The belief of `{name}` holds NaN or infinity; guard the arithmetic.")


def _prediction(case: _Case) -> None:
    spec = case.model.spec.observation
    for name, said in case.predictions.items():
        expect(isinstance(said, Prediction), f"`read` returns {type(said).__name__}; return a diorama.core.Prediction.")
        wrong = (
            f"`read` names the observations {sorted(said.observation)}, the spec {sorted(spec)}; make them the same."
        )
        expect(set(said.observation) == set(spec), wrong)
        for key, array in said.observation.items():
            got, wanted = (array.shape, str(array.dtype)), (spec[key].shape, spec[key].dtype)
            expect(got == wanted, f"`read` after `{name}` gives {key!r} as {got}, the spec says {wanted}; change one.")
        for field in ("reward", "end", "spread"):
            shape = jnp.shape(getattr(said, field))
            expect(shape == (), f"`read` gives {field} the shape {shape}; return a scalar.")
        expect(finite(said), f"`read` after `{name}` gives NaN or infinity; guard the arithmetic.")


def _end_and_spread(case: _Case) -> None:
    for name, said in case.predictions.items():
        chance = 0.0 <= float(said.end) <= 1.0
        expect(chance, f"`read` after `{name}` gives end {float(said.end):.3g}; return a probability, not a logit.")
        spread = float(said.spread)
        expect(spread >= 0.0, f"`read` after `{name}` gives spread {spread:.3g}; it is a size, at least 0.")


def _loss_is_a_scalar(case: _Case) -> None:
    value, _, metrics = case.loss(case.window)
    expect(jnp.shape(value) == (), f"`loss` has shape {jnp.shape(value)}; return a scalar, the mean over real steps.")
    expect(jnp.issubdtype(value.dtype, jnp.floating), f"`loss` has dtype {value.dtype}; return a float.")
    expect(isinstance(metrics, dict), f"`loss` returns {type(metrics).__name__} as metrics; return a dict of scalars.")
    bad = [name for name, metric in metrics.items() if jnp.shape(metric) != () or not finite(metric)]
    expect(finite(value), f"`loss` is {float(value)} on a window within the spec; guard the arithmetic.")
    expect(not bad, f"The metrics {bad} are not finite scalars; reduce and guard them.")


def _gradient(case: _Case) -> None:
    _, gradient, _ = case.loss(case.window)
    slopes = leaves(gradient)
    expect(finite(gradient), "The gradient of `loss` is NaN or infinite; look for sqrt, norm, log or a division at 0.")
    moves = not slopes or any(np.any(slope) for slope in slopes)
    expect(moves, "No parameter gets a gradient from `loss`; something stops it on its way.")


def _reads_the_data(case: _Case) -> None:
    value, _, _ = case.loss(case.window)
    other, _, _ = case.loss(case.other)
    expect(
        not same(value, other, 1e-7) or not leaves(partition(case.model, is_inexact_array)[0]),
        "`loss` is the same for another window; it does not look at the data.",
    )


def _mask(case: _Case) -> None:
    nothing = jnp.zeros(case.window.length, bool)
    results = [
        case.loss(tree_at(lambda w: w.mask, window, nothing)) for window in (case.window, _replace_after(case, 0))
    ]
    expect(
        finite([result[:2] for result in results]),
        "`loss` or its gradient is not finite where no step is real; divide by jnp.maximum(mask.sum(), 1).",
    )
    expect(
        same(results[0][:2], results[1][:2], _NO_CHANGE),
        "`loss` changes with steps whose mask is False; multiply every term of a step by its mask.",
    )


def _future(case: _Case) -> None:
    for time in range(1, case.window.length):
        mask = jnp.arange(case.window.length) < time
        windows = (case.window, _replace_after(case, time))
        results = [case.loss(tree_at(lambda w: w.mask, window, mask)) for window in windows]
        expect(
            same(results[0][:2], results[1][:2], _NO_CHANGE),
            f"With only the first {time} steps real, `loss` changes with what comes after: a step sees the future; "
            "use a causal mask or a scan, and align as observation[t], action[t] -> reward[t], observation[t + 1].",
        )


def _replace_after(case: _Case, time: int) -> Window:
    """The window with everything after observation ``time`` replaced."""
    keep = {"observation": time + 1, "action": time, "reward": time, "end": time}

    def swap(name: str, old: Any, new: Any) -> Any:
        return jnp.concatenate([old[: keep[name]], new[keep[name] :].astype(old.dtype)])

    old, new = case.window, case.other
    observation = {name: swap("observation", a, new.observation[name]) for name, a in old.observation.items()}
    rest = {name: swap(name, getattr(old, name), getattr(new, name)) for name in ("action", "reward", "end")}
    return Window(observation=observation, mask=old.mask, **rest)


def _purity(case: _Case) -> None:
    model, key, action = case.model, case.key, case.window.action[0]
    belief = case.beliefs["start"]
    calls: dict[str, tuple[Callable[..., Any], tuple]] = {
        "start": (lambda m, o, k: m.start(o, k), (model, case.seen(0), key)),
        "step": (lambda m, b, a, k: m.step(b, a, k), (model, belief, action, key)),
        "update": (lambda m, b, a, o, k: m.update(b, a, o, k), (model, belief, action, case.seen(1), key)),
        "infer": (lambda m, w, k: m.infer(w, k), (model, case.window, key)),
        "loss": (lambda m, w, k: m.loss(w, k), (model, case.window, key)),
    }
    for name, (function, arguments) in calls.items():

        def arrays(*given: Any, function: Callable[..., Any] = function) -> list[Any]:
            return [leaf for leaf in jax.tree.leaves(function(*given)) if is_array(leaf)]

        alike = attempt(f"Tracing `{name}` twice", _IMPURE, traces_alike, arrays, *arguments)
        expect(alike, f"`{name}` is another function when it is called again; {_IMPURE}")


def _determinism(case: _Case) -> None:
    first, second = (case.loss(case.window) for _ in range(2))
    expect(same(first, second), f"The same window and key give two losses; {_IMPURE}")


def _batch(case: _Case) -> None:
    windows = (case.window, case.other, case.window)
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *windows)
    keys = jnp.stack([case.key] * 3)

    def imagine(window: Window, key: Any) -> Any:
        belief = case.model.infer(window, key)
        return case.model.read(case.model.step(belief, window.action[0], key)), case.model.loss(window, key)[0]

    batched = attempt("jax.vmap over windows", _VMAP, filter_jit(jax.vmap(imagine)), stacked, keys)
    for number in range(2):
        inside = jax.tree.map(lambda leaf, number=number: leaf[number], batched)
        window, key = windows[number], case.key
        belief = _step(case.model, _infer(case.model, window, key), window.action[0], key)
        alone = _read(case.model, belief), case.loss(window)[0]
        expect(same(inside, alone, _ROUNDING), f"A window in a batch gives another result than alone. {_VMAP}")


CHECKS: dict[str, Callable[[_Case], None]] = {
    "belief": _belief,
    "prediction": _prediction,
    "end and spread": _end_and_spread,
    "purity": _purity,
    "loss": _loss_is_a_scalar,
    "determinism": _determinism,
    "gradient": _gradient,
    "reads the data": _reads_the_data,
    "mask": _mask,
    "future": _future,
    "batch": _batch,
}
