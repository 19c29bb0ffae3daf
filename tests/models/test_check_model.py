"""`check_model` passes a good model, and each of its checks catches the model that breaks it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConformanceError, EnvSpec, Prediction, WorldModel, field
from diorama.envs.teaching import Counter
from diorama.imagine import Exact
from diorama.models.check import check_model, random_window

SPEC = EnvSpec("two", {"state": ArraySpec((2,))}, ArraySpec((2,), low=-1.0, high=1.0), 0.1)


class Assembled(WorldModel):
    """A linear model put together from functions, so that a test can break one of them."""

    spec: EnvSpec = field(static=True)
    weight: jax.Array
    starts: Callable = field(static=True)
    steps: Callable = field(static=True)
    updates: Callable = field(static=True)
    infers: Callable = field(static=True)
    reads: Callable = field(static=True)
    losses: Callable = field(static=True)

    def start(self, observation, key):
        return self.starts(self, observation, key)

    def step(self, belief, action, key):
        return self.steps(self, belief, action, key)

    def update(self, belief, action, observation, key):
        return self.updates(self, belief, action, observation, key)

    def infer(self, window, key):
        return self.infers(self, window, key)

    def read(self, belief):
        return self.reads(self, belief)

    def loss(self, window, key):
        return self.losses(self, window, key)


def squares(model, window):
    """The squared one-step error of each step."""
    seen = window.observation["state"]
    noise = jnp.einsum("ij,tj->ti", model.weight, seen[:-1] + 0.1 * window.action)
    return jnp.sum((noise - seen[1:]) ** 2, axis=-1)


def good_loss(model, window, key):
    return mean(window, squares(model, window))


def mean(window, error):
    loss = jnp.sum(error * window.mask) / jnp.maximum(window.mask.sum(), 1)
    return loss, {"one_step": loss}


def acausal_loss(model, window, key):
    """Each step is predicted from the mean over all times, as by attention without a causal mask."""
    everything = jnp.broadcast_to(window.observation["state"].mean(axis=0), (window.length, 2))
    predicted = jnp.einsum("ij,tj->ti", model.weight, everything)
    return mean(window, jnp.sum((predicted - window.observation["state"][1:]) ** 2, axis=-1))


def shifted_loss(model, window, key):
    """Learns from the reward of the step after."""
    reward = jnp.roll(window.reward, -1)
    return mean(window, (reward - model.weight.sum()) ** 2)


def assembled(**parts: Any) -> Assembled:
    good = {
        "spec": SPEC,
        "weight": jnp.array([[0.9, 0.1], [0.0, 0.8]]),
        "starts": lambda m, o, k: o["state"],
        "steps": lambda m, b, a, k: m.weight @ (b + 0.1 * a) + 0.01 * jax.random.normal(k, (2,)),
        "updates": lambda m, b, a, o, k: 0.5 * b + 0.5 * o["state"],
        "infers": lambda m, w, k: w.observation["state"][-1],
        "reads": lambda m, b: prediction(b),
        "losses": good_loss,
    }
    return Assembled(**good | parts)


def prediction(belief, reward=0.0, end=0.5, spread=0.0):
    return Prediction({"state": belief}, *(jnp.asarray(v, jnp.float32) for v in (reward, end, spread)))


CALLS: list[int] = []


def counting(model, belief, action, key):
    CALLS.append(1)
    return belief * len(CALLS)


def noisy_loss(model, window, key):
    return mean(window, squares(model, window) * np.random.default_rng().normal())


def unbatched_loss(model, window, key):
    first = jax.lax.stop_gradient(squares(model, window)[0])
    value = jax.pure_callback(lambda v: v, jax.ShapeDtypeStruct((), jnp.float32), first)
    loss, metrics = good_loss(model, window, key)
    return loss + 0.0 * value * window.mask[0], metrics


def gambling_loss(model, window, key):
    """Random where no key and no trace shows it."""
    kind = jax.ShapeDtypeStruct((), jnp.float32)
    factor = jax.pure_callback(lambda m: np.float32(RANDOM.normal() * m[0]), kind, window.mask)
    return mean(window, squares(model, window) * factor)


RANDOM = np.random.default_rng(0)
BROKEN = {
    "gambling": ({"losses": gambling_loss}, "The same window and key give two losses"),
    "belief form": ({"steps": lambda m, b, a, k: jnp.append(b, a)}, "`step` returns a belief of another structure"),
    "belief dtype": ({"updates": lambda m, b, a, o, k: b.astype(jnp.float16)}, "`update` returns a belief of another"),
    "belief not finite": ({"infers": lambda m, w, k: w.observation["state"][-1] / 0.0}, "belief of `infer` holds NaN"),
    "start fails": ({"starts": lambda m, o, k: o["pixels"]}, "Compiling `start` fails with KeyError"),
    "no prediction": ({"reads": lambda m, b: {"state": b}}, "`read` returns dict; return a diorama.core.Prediction"),
    "observation names": (
        {"reads": lambda m, b: Prediction({"position": b}, *jnp.zeros(3))},
        r"`read` names the observations \['position'\]",
    ),
    "observation shape": ({"reads": lambda m, b: prediction(b[:1])}, r"gives 'state' as \(\(1,\), 'float32'\)"),
    "prediction not finite": ({"reads": lambda m, b: prediction(b, reward=jnp.nan)}, "gives NaN or infinity"),
    "end is a logit": ({"reads": lambda m, b: prediction(b, end=-3.0)}, "end -3; return a probability, not a logit"),
    "negative spread": ({"reads": lambda m, b: prediction(b, spread=-0.5)}, "spread -0.5; it is a size"),
    "loss not finite": ({"losses": lambda m, w, k: mean(w, jnp.log(-squares(m, w)))}, "`loss` is nan"),
    "metric not finite": (
        {"losses": lambda m, w, k: (good_loss(m, w, k)[0], {"bad": jnp.asarray(jnp.inf)})},
        r"metrics \['bad'\] are not finite scalars",
    ),
    "gradient not finite": (
        {"losses": lambda m, w, k: mean(w, squares(m, w) + jnp.sqrt(m.weight - jax.lax.stop_gradient(m.weight)).sum())},
        "gradient of `loss` is NaN",
    ),
    "no gradient": (
        {"losses": lambda m, w, k: jax.lax.stop_gradient(good_loss(m, w, k))},
        "No parameter gets a gradient",
    ),
    "blind": ({"losses": lambda m, w, k: (jnp.sum(m.weight**2), {})}, "does not look at the data"),
    "no mask": (
        {"losses": lambda m, w, k: (squares(m, w).mean(), {})},
        "`loss` changes with steps whose mask is False",
    ),
    "empty mask": (
        {"losses": lambda m, w, k: ((squares(m, w) * w.mask).sum() / w.mask.sum(), {})},
        "not finite where no step is real",
    ),
    "sees the future": ({"losses": acausal_loss}, "With only the first 1 steps real.*a step sees the future"),
    "shifted by one": ({"losses": shifted_loss}, r"reward\[t\], observation\[t \+ 1\]"),
    "hidden counter": ({"steps": counting}, "`step` is another function when it is called again"),
    "hidden randomness": ({"losses": noisy_loss}, "`loss` is another function when it is called again"),
    "no batch": ({"losses": unbatched_loss}, "jax.vmap over windows fails"),
    "no spec": ({"spec": None}, "declare `spec: EnvSpec"),
}


def test_a_good_model_passes() -> None:
    report = check_model(assembled())
    assert report.passed[0] == "spec" and len(report.passed) == 12


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(fault: str) -> None:
    parts, message = BROKEN[fault]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_model(assembled(**parts))
    assert str(caught.value).startswith("Assembled fails the check")


def test_the_callers_window_is_used() -> None:
    window = random_window(SPEC, 4, seed=5)
    assert check_model(assembled(), window).passed
    with pytest.raises(ConformanceError, match="window of 2 steps is too short"):
        check_model(assembled(), random_window(SPEC, 2, seed=5))


def test_a_perfect_model_passes() -> None:
    world = Counter()
    model = Exact(world.spec, world, lambda seen: jnp.stack([seen["state"][0], jnp.asarray(3.0)]))
    assert check_model(model).passed


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConformanceError, match="not a WorldModel"):
        check_model(object())
