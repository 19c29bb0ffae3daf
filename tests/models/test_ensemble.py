import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, SpecError, Window, tree_at
from diorama.models import DiffusionConfig, EnsembleConfig, build
from diorama.nn import PlanarFrame

SPEC = EnvSpec("toy", {"x": ArraySpec((6,), "px")}, ArraySpec((2,), "px", -1.0, 1.0), 0.2)
FRAME = PlanarFrame(origin=(2, 3), heading=(4, 5), points=((0, 1),), actions=((0, 1),))
KEY = jax.random.key(0)


def windows(count: int = 16, length: int = 3) -> Window:
    rng = np.random.default_rng(0)
    observation = rng.normal(0, 50, (count, length + 1, 6)).astype(np.float32)
    heading = observation[..., 4:]
    observation[..., 4:] = heading / np.linalg.norm(heading, axis=-1, keepdims=True)
    flags = np.zeros((count, length), bool)
    action = rng.uniform(-1, 1, (count, length, 2)).astype(np.float32)
    return Window({"x": observation}, action, rng.normal(size=(count, length)).astype(np.float32), flags, ~flags)


def one(batch: Window) -> Window:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batch)


def test_a_member_is_what_it_was_in_the_ensemble_and_the_mean_is_the_mean():
    model = build(EnsembleConfig("nano"), SPEC, 0).measured(windows())
    belief, action = model.start({"x": jnp.arange(6.0)}, KEY), jnp.array([0.2, 0.4])
    alone = [model.member(i).step(belief, action, KEY) for i in range(model.members)]
    together = model.step(belief, action, KEY)
    np.testing.assert_allclose(together.vector, np.mean([b.vector for b in alone], axis=0), rtol=1e-4, atol=1e-3)
    assert together.spread > 0 and alone[0].spread == 0


@pytest.mark.parametrize("config", [EnsembleConfig("nano"), DiffusionConfig("nano", "mlp", context=1)])
def test_what_never_changed_in_the_data_does_not_drift(config):
    """A goal, a load, a scene: constant in an episode, another in the next. The network's noise must not move it."""
    given = windows()
    given.observation["x"][:, :, 1] = given.observation["x"][:, :1, 1]
    model = build(config, SPEC, 0).measured(
        Window(given.observation, given.action, 0 * given.reward, given.end, given.mask)
    )
    belief, held = model.start({"x": jnp.arange(6.0)}, KEY), []
    for key in jax.random.split(KEY, 3):
        belief = model.step(belief, jnp.array([0.2, 0.4]), key)
        held.append(model.read(belief))
    assert [float(one.observation["x"][1]) for one in held] == [1.0] * 3
    assert abs(float(held[-1].observation["x"][0])) > 1.0  # The others are free to move.
    assert [float(one.reward) for one in held] == [0.0] * 3


def test_with_a_frame_turning_the_plane_turns_the_prediction():
    """The frame alone makes nothing equivariant while raw coordinates are inputs; blind to them, it must be exact."""
    model = build(EnsembleConfig("nano", FRAME), SPEC, 1)
    blind = jax.tree.map(lambda w: w, model)
    first, skip = blind.networks.layers[0], blind.networks.skip
    hide = jnp.array([0.0] * 6 + [1.0] * 2 + [0.0] * 2 + [1.0] * 2)
    blind = tree_at(
        lambda m: (m.networks.layers[0].weight, m.networks.skip),
        blind,
        (first.weight * hide[None, None], skip * hide[None, None]),
    )
    turn = np.array([[0.0, -1.0], [1.0, 0.0]], np.float32)
    x = np.array([3.0, 1.0, 2.0, -1.0, 0.6, 0.8], np.float32)
    action = np.array([0.3, -0.7], np.float32)
    turned = np.concatenate([turn @ x[i : i + 2] for i in (0, 2, 4)])
    here = blind.step(blind.start({"x": jnp.asarray(x)}, KEY), jnp.asarray(action), KEY).vector
    there = blind.step(blind.start({"x": jnp.asarray(turned)}, KEY), jnp.asarray(turn @ action), KEY).vector
    np.testing.assert_allclose(there, np.concatenate([turn @ here[i : i + 2] for i in (0, 2, 4)]), atol=1e-4)
    assert not np.allclose(here, x, atol=1e-2)
    assert np.linalg.norm(here[4:]) == pytest.approx(1.0, abs=1e-5)


def test_masked_steps_do_not_change_the_loss():
    model = build(EnsembleConfig("nano"), SPEC, 0).measured(windows())
    window = one(windows())
    short = Window(
        {"x": window.observation["x"][:3]}, window.action[:2], window.reward[:2], window.end[:2], window.mask[:2]
    )
    hidden = Window(
        {"x": window.observation["x"].at[3].set(1e4)}, window.action, window.reward.at[2].set(9.0), window.end,
        window.mask.at[2].set(False),
    )  # fmt: skip
    np.testing.assert_allclose(model.loss(hidden, KEY)[0], model.loss(short, KEY)[0], rtol=1e-5)
    assert model.loss(window, KEY)[0] != pytest.approx(float(model.loss(short, KEY)[0]))


def test_the_statistics_are_those_of_the_real_steps():
    batch = windows(64, 1)
    model = build(EnsembleConfig("nano"), SPEC, 0).measured(batch)
    np.testing.assert_allclose(
        model.features.normaliser.mean, batch.observation["x"][:, 0].mean(0), rtol=1e-3, atol=1e-3
    )
    change = np.diff(batch.observation["x"], axis=1)[:, 0]
    np.testing.assert_allclose(model.change.std, change.std(0), rtol=1e-3)


def test_update_believes_what_was_seen():
    model = build(EnsembleConfig("nano"), SPEC, 0)
    belief = model.update(model.start({"x": jnp.zeros(6)}, KEY), jnp.zeros(2), {"x": jnp.arange(6.0)}, KEY)
    np.testing.assert_array_equal(model.read(belief).observation["x"], jnp.arange(6.0))
    inferred = model.infer(one(windows()), KEY)
    np.testing.assert_array_equal(inferred.vector, windows().observation["x"][0, -1])


def test_images_and_unknown_sizes_are_refused():
    pixels = ArraySpec((4, 4, 3), low=0.0, high=255.0, dtype="uint8")
    with pytest.raises(SpecError, match="'eye'"):
        build(EnsembleConfig("nano"), EnvSpec("i", {"eye": pixels}, SPEC.action, 0.1), 0)
    with pytest.raises(ConfigError, match="nano"):
        EnsembleConfig("huge")
