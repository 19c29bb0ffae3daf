import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, filter_grad, tree_at
from diorama.core.artifact import named_arrays
from diorama.learn import Checkpoints, FitConfig, JsonLines, fit
from diorama.learn.fitting import batch_loss, draw, init, judge, update
from diorama.learn.precision import has_bfloat16, products
from diorama.learn.progress import History, Several
from diorama.nn import MLP

CONFIG = FitConfig(updates=20, batch=32, chunk=5, held_out=64)


def same(left: object, right: object) -> bool:
    left, right = named_arrays(left), named_arrays(right)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


AVERAGED = dataclasses.replace(CONFIG, average=0.9)


def test_twenty_updates_are_ten_and_ten_more_bit_for_bit(tmp_path, untrained, training, held_out):
    whole = fit(AVERAGED, untrained, training, held_out)
    checkpoints = Checkpoints(tmp_path)

    class StoppedError(Exception):
        pass

    def stop(report):
        if report.step == 10:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(AVERAGED, untrained, training, held_out, progress=stop, checkpoints=checkpoints)
    history = History()
    resumed = fit(AVERAGED, untrained, training, held_out, progress=history, checkpoints=checkpoints)
    assert [report.step for report in history.reports] == [15, 20]
    assert same(whole.state, resumed.state) and same(whole.model, resumed.model)
    other = fit(dataclasses.replace(AVERAGED, seed=1), untrained, training, held_out)
    assert not same(whole.state, other.state)


def test_fitting_leaves_the_given_model_usable_and_learns(tmp_path, untrained, training, held_out):
    history = History()
    lines = tmp_path / "metrics.jsonl"
    config = FitConfig(updates=600, batch=128, chunk=100, held_out=256, learning_rate=3e-3)
    fitted = fit(config, untrained, training, held_out, progress=Several((history, JsonLines(lines))))
    named_arrays(untrained)  # raises where a donated buffer was deleted
    _, losses = history.curve("held_out")
    assert losses[-1] < losses[0] - 0.2
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line["step"] for line in written] == [100, 200, 300, 400, 500, 600]
    window = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), held_out.sample(np.random.default_rng(3), 1))
    before, action = {n: v[0] for n, v in window.observation.items()}, window.action[0]
    key = jax.random.key(0)
    said = fitted.model.read(fitted.model.step(fitted.model.start(before, key), action, key))
    expected = np.asarray(before["velocity"] + 0.1 * action)
    np.testing.assert_allclose(np.asarray(said.observation["velocity"]), expected, atol=0.03)
    assert float(said.reward) == pytest.approx(float(window.reward[0]), abs=0.6)


def test_the_average_is_judged_and_kept_and_leaves_statistics_alone(untrained, training, held_out):
    config = dataclasses.replace(AVERAGED, updates=12, chunk=1, learning_rate=1e-2)
    state, names = init(config, untrained), {"networks.layers.1.weight", "change.mean", "features.normaliser.std"}
    expected = {name: np.float64(named_arrays(untrained)[name]) for name in names}
    for done in range(12):
        state, _ = update((config, draw(config, training, done)), state)
        share = 1 - min(0.9, (1 + done) / (10 + done))
        here = named_arrays(state.learned)
        expected = {name: old + share * (here[name] - old) for name, old in expected.items()}
    average, learned = named_arrays(state.extra.average), named_arrays(state.learned)
    for name in names:
        np.testing.assert_allclose(average[name], expected[name], rtol=2e-5, atol=1e-6)
    assert np.array_equal(average["change.mean"], named_arrays(untrained)["change.mean"])
    moved = np.abs(average["networks.layers.1.weight"] - learned["networks.layers.1.weight"]).max()
    assert moved > 1e-3
    windows = jax.tree.map(jnp.asarray, held_out.sample(np.random.default_rng(0), 64))
    expected_loss, _ = batch_loss(state.extra.average, windows, jax.random.key(0))
    judged, metrics = judge((config, windows), state)
    assert float(metrics["held_out"]) == pytest.approx(float(expected_loss), rel=1e-4)
    assert np.array_equal(
        named_arrays(judged.extra.model)["networks.layers.1.weight"], average["networks.layers.1.weight"]
    )


@pytest.mark.parametrize(
    ("precision", "has", "word"),
    [("auto", True, "BF16_BF16_F32"), ("bfloat16", True, "BF16_BF16_F32"), ("float32", True, "HIGHEST")],
)
def test_every_matrix_product_has_the_precision_and_nothing_else_changes(
    monkeypatch, untrained, training, precision, has, word
):
    monkeypatch.setattr("diorama.learn.precision.has_bfloat16", lambda: has)
    window = jax.tree.map(jnp.asarray, training.sample(np.random.default_rng(0), 2))

    def gradient(network: MLP) -> MLP:
        model = tree_at(lambda m: m.networks, untrained, network)
        with products(precision):
            return filter_grad(lambda m: batch_loss(m, window, jax.random.key(0))[0])(model).networks

    told = str(jax.make_jaxpr(gradient)(untrained.networks))
    assert told.count("dot_general[") > 5
    assert len(re.findall(rf"precision=\(?{word}|precision=\(Precision.{word}", told)) == told.count("dot_general[")
    assert "bf16[" not in told


def test_a_device_without_bfloat16_stays_in_float32_and_refuses_it_by_name(monkeypatch):
    monkeypatch.setattr("diorama.learn.precision.has_bfloat16", lambda: False)
    with products("auto"):
        assert jax.config.jax_default_matmul_precision is None
    with pytest.raises(ConfigError, match="no matrix products in bfloat16; set the precision to 'auto'"):
        products("bfloat16")


def test_the_device_is_believed_by_what_it_does():
    """Where the answer is yes, a product really is rounded."""
    number = jnp.full((64, 64), 1 + 2**-10, jnp.float32)
    with products("auto"):
        product = jax.jit(lambda a, b: a @ b)(number, jnp.eye(64))
    assert (float(product[0, 0]) == 1.0) == has_bfloat16()


def test_fitting_learns_from_products_in_bfloat16(monkeypatch, untrained, training, held_out):
    """On a CPU, which has none, operands are rounded here as such a device would."""

    def rounded(array: jax.Array) -> jax.Array:
        return jax.lax.reduce_precision(array, exponent_bits=8, mantissa_bits=7)

    def call(self: MLP, x: jax.Array) -> jax.Array:
        hidden = x
        for layer in self.layers[:-1]:
            hidden = jax.nn.silu(rounded(layer.weight) @ rounded(hidden) + layer.bias)
        last = self.layers[-1]
        return rounded(last.weight) @ rounded(hidden) + last.bias + rounded(self.skip) @ rounded(x)

    monkeypatch.setattr("diorama.learn.precision.has_bfloat16", lambda: True)
    monkeypatch.setattr(MLP, "__call__", call)
    history = History()
    config = dataclasses.replace(CONFIG, updates=120, chunk=40, batch=64, learning_rate=3e-3, precision="bfloat16")
    fitted = fit(config, untrained, training, held_out, progress=history)
    _, losses = history.curve("held_out")
    assert losses[-1] < losses[0] - 0.1
    assert all(value.dtype.name != "bfloat16" for value in named_arrays(fitted.state).values())


def test_fitting_stops_when_the_held_out_loss_stands_still(untrained, training, held_out):
    config = dataclasses.replace(CONFIG, updates=200, learning_rate=1e-12, weight_decay=0.0, patience=2)
    history = History()
    fit(config, untrained, training, held_out, progress=history)
    assert history.reports[-1].step < 60


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="batch"):
        FitConfig(batch=0)
    with pytest.raises(ConfigError, match="average is 1.0; it is a share"):
        FitConfig(average=1.0)
    with pytest.raises(ConfigError, match="Precision 'float16' is unknown; choose one of"):
        FitConfig(precision="float16")
