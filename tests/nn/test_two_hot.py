"""The two-hot coding and the symmetric logarithm against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.nn.symlog import symexp, symlog
from diorama.nn.two_hot import TwoHot

CODING = TwoHot()
LOGITS = np.random.default_rng(0).normal(size=CODING.count).astype(np.float32)


def test_bins_are_mirrored_exactly_and_grow_as_symexp():
    np.testing.assert_array_equal(CODING.bins, -CODING.bins[::-1])
    steps = np.linspace(-20, 20, 255)
    np.testing.assert_allclose(CODING.bins, np.sign(steps) * np.expm1(np.abs(steps)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [0.0, 0.03, -0.7, 1.0, 42.0, -31337.0])
def test_a_coded_number_has_itself_as_mean(target):
    weights = CODING.encode(jnp.asarray(target))
    assert np.count_nonzero(weights) <= 2 and float(jnp.sum(weights)) == pytest.approx(1.0)
    logits = jnp.log(weights + 1e-30)
    np.testing.assert_allclose(CODING.mean(logits), target, rtol=1e-4, atol=1e-4)


def test_beyond_the_last_bin_there_is_only_the_last_bin():
    for target, place in ((1e12, -1), (-1e12, 0)):
        weights = CODING.encode(jnp.asarray(target))
        assert float(weights[place]) == 1.0 and float(jnp.sum(weights)) == 1.0


def test_equal_logits_say_exactly_zero():
    assert float(CODING.mean(jnp.zeros(255))) == 0.0 and float(CODING.mean(jnp.full(255, 3.0))) == 0.0


@pytest.mark.parametrize("target", [-2.3, 0.0, 500.0])
def test_the_gradient_is_softmax_minus_code(target):
    gradient = jax.grad(CODING.loss)(jnp.asarray(LOGITS), jnp.asarray(target))
    chance = np.exp(LOGITS.astype(np.float64)) / np.exp(LOGITS.astype(np.float64)).sum()
    np.testing.assert_allclose(gradient, chance - np.asarray(CODING.encode(jnp.asarray(target))), atol=1e-6)


def test_the_gradient_is_the_slope_of_the_loss():
    code = np.asarray(CODING.encode(jnp.asarray(-2.3)), np.float64)
    direction = np.random.default_rng(1).normal(size=255)

    def loss(logits):
        return np.log(np.exp(logits).sum()) - code @ logits

    slope = (loss(LOGITS + 1e-5 * direction) - loss(LOGITS - 1e-5 * direction)) / 2e-5
    gradient = jax.grad(CODING.loss)(jnp.asarray(LOGITS), jnp.asarray(-2.3))
    assert float(gradient @ direction.astype(np.float32)) == pytest.approx(slope, rel=1e-3)
    assert float(CODING.loss(jnp.asarray(LOGITS), jnp.asarray(-2.3))) == pytest.approx(loss(LOGITS), rel=1e-5)


def test_symlog_and_symexp_are_inverse_and_have_slope_one_at_zero():
    x = np.array([-1e4, -3.0, -1e-4, 0.0, 1e-4, 0.5, 20.0], np.float32)
    np.testing.assert_allclose(symlog(jnp.asarray(x)), np.sign(x) * np.log1p(np.abs(x)), rtol=1e-6)
    np.testing.assert_allclose(symexp(symlog(jnp.asarray(x))), x, rtol=1e-4)
    for function in (symlog, symexp):
        assert float(jax.grad(function)(0.0)) == 1.0
    np.testing.assert_allclose(jax.grad(lambda v: symlog(v).sum())(jnp.asarray(x)), 1 / (1 + np.abs(x)), rtol=1e-6)
