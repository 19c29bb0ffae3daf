"""Categorical variables against closed forms and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.nn.categorical import Categorical

LOGITS = np.random.default_rng(0).normal(0.0, 2.0, (3, 4)).astype(np.float32)
UNIMIX = 0.01


def probabilities(logits: np.ndarray, unimix: float = UNIMIX) -> np.ndarray:
    grown = np.exp(logits.astype(np.float64))
    return (1 - unimix) * grown / grown.sum(axis=-1, keepdims=True) + unimix / logits.shape[-1]


@pytest.mark.parametrize("unimix", [0.0, 0.01, 0.5])
def test_the_probabilities_are_a_mixture_with_the_uniform(unimix):
    got = np.exp(Categorical.of(jnp.asarray(LOGITS), unimix).log_probability)
    np.testing.assert_allclose(got, probabilities(LOGITS, unimix), rtol=1e-5)


def test_no_class_is_impossible_however_sure_the_logits():
    sure = Categorical.of(jnp.array([[1e4, 0.0, -1e4, 0.0]]), UNIMIX)
    np.testing.assert_allclose(np.exp(sure.log_probability), [[0.9925, 0.0025, 0.0025, 0.0025]], rtol=1e-5)
    other = Categorical.of(jnp.array([[-1e4, 1e4, 0.0, 0.0]]), UNIMIX)
    assert 5.0 < float(sure.divergence_from(other)) < 10.0


def test_the_gradient_of_the_mixture_is_the_slope():
    weight = np.random.default_rng(1).normal(size=LOGITS.shape)

    def value(logits):
        return jnp.sum(jnp.asarray(weight, jnp.float32) * Categorical.of(logits, UNIMIX).log_probability)

    slope, step = np.zeros_like(weight), 1e-5
    for place in np.ndindex(*LOGITS.shape):
        moved = np.zeros_like(weight)
        moved[place] = step
        ends = [np.sum(weight * np.log(probabilities(LOGITS.astype(np.float64) + s * moved))) for s in (1, -1)]
        slope[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(jax.grad(value)(jnp.asarray(LOGITS)), slope, rtol=1e-3, atol=1e-4)


def test_samples_are_one_hot_and_as_frequent_as_their_probabilities():
    variables = Categorical.of(jnp.asarray(LOGITS), UNIMIX)
    drawn = np.asarray(jax.vmap(variables.sample)(jax.random.split(jax.random.key(0), 4000)))
    assert set(np.unique(drawn)) == {0.0, 1.0} and np.all(drawn.sum(axis=-1) == 1)
    np.testing.assert_allclose(drawn.mean(axis=0), probabilities(LOGITS), atol=0.03)


def test_the_derivative_of_a_sample_is_that_of_the_probabilities():
    weight = jnp.asarray(np.random.default_rng(2).normal(size=LOGITS.shape), jnp.float32)

    def through(logits, pick):
        return jnp.sum(weight * pick(Categorical.of(logits, UNIMIX)))

    sampled = jax.grad(through)(jnp.asarray(LOGITS), lambda v: v.sample(jax.random.key(3)))
    smooth = jax.grad(through)(jnp.asarray(LOGITS), lambda v: jnp.exp(v.log_probability))
    np.testing.assert_allclose(sampled, smooth, rtol=1e-6)
    assert np.abs(sampled).max() > 0.01


def test_entropy_and_divergence_against_the_definition():
    truth, belief = probabilities(LOGITS), probabilities(LOGITS[::-1])
    ours, other = (Categorical.of(jnp.asarray(v), UNIMIX) for v in (LOGITS, LOGITS[::-1].copy()))
    np.testing.assert_allclose(ours.entropy(), -np.sum(truth * np.log(truth)), rtol=1e-5)
    np.testing.assert_allclose(other.divergence_from(ours), np.sum(truth * np.log(truth / belief)), rtol=1e-5)
    assert float(ours.divergence_from(ours)) == 0.0


def test_a_detached_distribution_stops_the_gradient():
    grad = jax.grad(lambda logits: Categorical.of(logits, UNIMIX).detached().entropy())(jnp.asarray(LOGITS))
    np.testing.assert_array_equal(grad, 0.0)
