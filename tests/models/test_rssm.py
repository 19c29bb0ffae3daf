"""The RSSM's contract: any mix of observations, causality, masks, the two sides of the divergence, artifacts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, SpecError, Window, filter_jit, tree_at
from diorama.core.artifact import Builder, load_artifact, save_artifact
from diorama.core.canonical import canonical, from_json
from diorama.models.check import check_model, random_window
from diorama.models.rssm import RSSM, RSSMConfig
from diorama.models.rssm.config import RSSM_SIZES
from diorama.models.rssm.senses import PictureShape
from diorama.nn.categorical import Categorical

KEY = jax.random.key(0)
TOP = ArraySpec((8, 8, 3), low=0.0, high=255.0, dtype="uint8")
WRIST = ArraySpec((6, 11, 1), low=0.0, high=255.0, dtype="uint8")
JOINTS = ArraySpec((3,), "rad")
SPEC = EnvSpec("arm", {"top": TOP, "wrist": WRIST, "joints": JOINTS}, ArraySpec((2,), "rad", -0.5, 1.5), 0.1)
VECTOR = EnvSpec("joints", {"joints": JOINTS}, ArraySpec((2,), "rad"), 0.1)


@pytest.fixture(scope="module")
def model() -> RSSM:
    return RSSM.build(RSSMConfig("nano"), SPEC, 0)


@pytest.mark.slow
def test_two_cameras_and_proprioception_conform(model):
    assert "batch" in check_model(model, random_window(SPEC, 3, seed=0)).passed


def test_units_are_learned_from_data():
    windows = jax.tree.map(lambda *w: np.stack(w), *(random_window(VECTOR, 4, seed) for seed in range(64)))
    observation = {"joints": 100.0 + 50.0 * windows.observation["joints"]}
    windows = Window(observation, 7.0 * windows.action, windows.reward, windows.end, windows.mask)
    model = RSSM.build(RSSMConfig("nano"), VECTOR, 0).measured(windows)
    np.testing.assert_allclose(model.vectors.normaliser.mean, 100.0, atol=10.0)
    np.testing.assert_allclose(model.action.std, 3 * windows.action.reshape(-1, 2).std(axis=0), rtol=1e-4)
    seen = {"joints": jnp.array([130.0, -20.0, 100.0])}
    np.testing.assert_allclose(model.vectors.unsquash(model.vectors.squash(seen))["joints"], seen["joints"], rtol=1e-4)


def test_bounded_actions_are_scaled_by_their_bounds_and_kept(model):
    np.testing.assert_allclose(model.action(jnp.array([-0.5, 1.5])), [-1.0, 1.0])
    windows = jax.tree.map(lambda leaf: leaf[None], random_window(SPEC, 3, seed=0))
    np.testing.assert_array_equal(model.measured(windows).action.std, model.action.std)


def test_only_the_largest_score_of_a_discrete_action_counts_and_all_have_derivatives():
    scores = EnvSpec("levers", {"joints": JOINTS}, ArraySpec((3,), "1", 0.0, 1.0), 0.1)
    model = RSSM.build(RSSMConfig("nano", discrete=True), scores, 0)
    belief = model.start({"joints": jnp.array([0.1, 0.2, 0.3])}, KEY)

    def after(action):
        return model.step(belief, action, KEY).state

    same, other = jnp.array([0.9, 0.2, 0.1]), jnp.array([0.1, 0.2, 0.9])
    slope = jax.jacrev(after)(same)
    np.testing.assert_allclose(after(same), after(jnp.array([0.5, 0.4, 0.3])), rtol=1e-5, atol=1e-6)
    assert not np.allclose(after(same), after(other), atol=1e-3)
    assert (jnp.abs(slope).sum(axis=0) > 0).all()


def test_what_is_neither_float_nor_picture_is_refused():
    flag = ArraySpec((2,), low=0.0, high=1.0, dtype="int32")
    with pytest.raises(SpecError, match="The RSSM takes vectors only.*'gripper'"):
        RSSM.build(RSSMConfig("nano"), EnvSpec("g", {"gripper": flag}, SPEC.action, 0.1), 0)


@filter_jit
def loss(model: RSSM, window: Window) -> tuple:
    """The loss, its terms, and the inferred recurrent state."""
    return *model.loss(window, KEY), model.infer(window, KEY).state


def test_a_window_may_stop_early_and_its_end_counts(model):
    """Padding after the end changes nothing; the end itself does."""
    window = random_window(SPEC, 3, seed=0)
    ended = Window(
        window.observation,
        window.action,
        window.reward,
        jnp.array([False, True, False]),
        jnp.array([True, True, False]),
    )
    other = random_window(SPEC, 3, seed=9)
    padded = {name: v.at[3].set(other.observation[name][3]) for name, v in ended.observation.items()}
    changed = Window(padded, ended.action.at[2].set(9.0), ended.reward.at[2].set(9.0), ended.end, ended.mask)
    alive = Window(ended.observation, ended.action, ended.reward, jnp.zeros(3, bool), ended.mask)
    values = [loss(model, w) for w in (ended, changed, alive)]
    np.testing.assert_allclose(values[0][0], values[1][0], rtol=1e-6)
    assert float(values[0][1]["end"]) != float(values[2][1]["end"])
    np.testing.assert_array_equal(values[0][2], values[1][2])


def test_the_loss_is_the_sum_that_it_logs(model):
    total, terms, _ = loss(model, random_window(SPEC, 3, seed=0))
    parts = ["error_top", "error_wrist", "error_vectors", "reward", "end", "dynamics"]
    assert float(total) == pytest.approx(sum(float(terms[p]) for p in parts) + 0.1 * float(terms["representation"]))
    assert float(terms["reward"]) == pytest.approx(np.log(255), rel=1e-5)


@filter_jit
def divergences(model: RSSM, prior: jax.Array, posterior: jax.Array) -> dict:
    """The divergence terms, each with its slopes in the prior's and in the posterior's logits."""

    def terms(prior, posterior):
        network = jax.tree.map(jnp.zeros_like, model.core.prior_network)
        network = tree_at(lambda n: n.last.bias, network, prior.reshape(-1))
        given = tree_at(lambda m: m.core.prior_network, model, network)
        latent = tree_at(lambda b: b.variables, model.core.empty(), Categorical.of(posterior, 0.01))
        return given._divergences(latent)

    values = terms(prior, posterior)
    names = ("dynamics", "representation")
    return {n: (values[n], *jax.grad(lambda p, q, n=n: terms(p, q)[n], (0, 1))(prior, posterior)) for n in names}


def test_each_side_of_the_divergence_trains_its_own_distribution(model):
    rng = np.random.default_rng(0)
    prior, posterior = (jnp.asarray(rng.normal(0, 2, (32, 4)), jnp.float32) for _ in range(2))
    found = divergences(model, prior, posterior)
    wanted = Categorical.of(prior, 0.01).divergence_from(Categorical.of(posterior, 0.01))
    for value, _, _ in found.values():
        np.testing.assert_allclose(value, wanted, rtol=1e-5)
    _, to_prior, to_posterior = found["dynamics"]
    assert np.any(to_prior) and not np.any(to_posterior)
    _, to_prior, to_posterior = found["representation"]
    assert np.any(to_posterior) and not np.any(to_prior)


def test_below_one_nat_in_sum_nothing_is_trained(model):
    near = jnp.zeros((32, 4)).at[0, 0].set(1.0)
    for value, to_prior, to_posterior in divergences(model, jnp.zeros((32, 4)), near).values():
        assert float(value) == 1.0 and not np.any(to_prior) and not np.any(to_posterior)


def test_only_the_recurrence_is_scanned(model):
    """Cameras are encoded and decoded outside of the scan over time: no picture's work is inside its body."""
    program = jax.make_jaxpr(lambda w: model.loss(w, KEY)[0])(random_window(SPEC, 3, seed=0))
    scans = [e for e in program.jaxpr.eqns if e.primitive.name == "scan"]
    assert len(scans) == 1
    assert max(len(v.aval.shape) for e in scans[0].params["jaxpr"].eqns for v in e.outvars) <= 3


def test_pictures_of_any_size_are_padded_and_cut():
    assert (PictureShape(64, 64, 3).maps, PictureShape(64, 64, 3).smallest(2)) == (4, (4, 4, 8))
    assert (PictureShape(96, 96, 3).maps, PictureShape(84, 84, 3).padded) == (4, (96, 96))
    assert (PictureShape(240, 320, 3).maps, PictureShape(240, 320, 3).smallest(1)) == (6, (4, 5, 4))
    assert PictureShape(4, 4, 1).maps == 1


def test_it_is_saved_and_loaded(tmp_path, model):
    builders = {"rssm": Builder(RSSMConfig, RSSM.build)}
    save_artifact(tmp_path, model, kind="rssm", config=model.config, spec=SPEC)
    again = load_artifact(tmp_path, builders)
    assert again.config == model.config and again.spec == model.spec
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert canonical(from_json(RSSMConfig, {"size": "m"})) == canonical(RSSMConfig("m"))


def test_sizes_follow_the_table_and_bad_settings_are_refused():
    assert (RSSM_SIZES["m"].state, RSSM_SIZES["m"].classes, RSSMConfig("l").features) == (2048, 16, 3072 + 32 * 24)
    for settings in ({"size": "huge"}, {"unimix": 1.0}, {"free_nats": -1.0}):
        with pytest.raises(
            ConfigError, match=next(iter(settings.values())) if "size" in settings else next(iter(settings))
        ):
            RSSMConfig(**settings)
