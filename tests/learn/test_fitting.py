import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError
from diorama.core.artifact import named_arrays
from diorama.learn import Checkpoints, FitConfig, JsonLines, fit
from diorama.learn.progress import History, Several

CONFIG = FitConfig(updates=20, batch=32, chunk=5, held_out=64)


def same(left: object, right: object) -> bool:
    left, right = named_arrays(left), named_arrays(right)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def test_twenty_updates_are_ten_and_ten_more_bit_for_bit(tmp_path, untrained, training, held_out):
    whole = fit(CONFIG, untrained, training, held_out)
    checkpoints = Checkpoints(tmp_path)

    class StoppedError(Exception):
        pass

    def stop(report):
        if report.step == 10:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(CONFIG, untrained, training, held_out, progress=stop, checkpoints=checkpoints)
    history = History()
    resumed = fit(CONFIG, untrained, training, held_out, progress=history, checkpoints=checkpoints)
    assert [report.step for report in history.reports] == [15, 20]
    assert same(whole.state, resumed.state) and same(whole.model, resumed.model)
    other = fit(dataclasses.replace(CONFIG, seed=1), untrained, training, held_out)
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


def test_fitting_stops_when_the_held_out_loss_stands_still(untrained, training, held_out):
    config = dataclasses.replace(CONFIG, updates=200, learning_rate=1e-12, weight_decay=0.0, patience=2)
    history = History()
    fit(config, untrained, training, held_out, progress=history)
    assert history.reports[-1].step < 60


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="batch"):
        FitConfig(batch=0)
