"""A policy that filters pictures: the contract of policies, its memory, and the artifact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, filter_jit
from diorama.core.host_policy import JittedPolicy
from diorama.imagine.latent import latent_spec
from diorama.models import build as build_model
from diorama.models.rssm.config import RSSMConfig
from diorama.policies import Actor, ActorConfig, Likeliest, Sampled
from diorama.policies.check import check_policy
from diorama.policies.latent import LatentPolicy
from diorama.recipes import latent_policies
from diorama.recipes.latent_policies import LatentPolicyConfig

SPEC = EnvSpec(
    "picture",
    {"pixels": ArraySpec((16, 16, 3), "1", 0.0, 255.0, "uint8"), "state": ArraySpec((2,), low=-1.0, high=1.0)},
    ArraySpec((2,), "1", -2.0, 2.0),
    0.1,
)
SEEN = EnvSpec("picture", {"pixels": SPEC.observation["pixels"]}, SPEC.action, SPEC.control_period)
CONFIG = LatentPolicyConfig(RSSMConfig("nano"), ActorConfig("nano"))


@pytest.fixture(scope="module")
def policy() -> LatentPolicy:
    return latent_policies.build(CONFIG, SEEN, 3)


def _pictures(steps, worlds, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (steps, worlds, 16, 16, 3)).astype(np.uint8)


def _play(policy, pictures):
    """The actions and the last memory of worlds that see these pictures ``[T, N, ...]``."""
    host, count = JittedPolicy(policy), pictures.shape[1]
    memory, actions = host.init(SPEC, np.arange(count)), []
    for seen in pictures:
        action, memory = host.act(memory, {"pixels": seen, "state": np.zeros((count, 2), np.float32)})
        actions.append(action)
    return np.stack(actions), memory[0]


def test_it_keeps_the_contract_of_policies(policy) -> None:
    assert len(check_policy(policy, SPEC).passed) == 5


def test_it_remembers_what_it_saw(policy) -> None:
    pictures = _pictures(3, 2)
    pictures[1:, 1] = pictures[1:, 0]
    actions, memory = _play(policy, pictures)
    assert memory.begun.all() and np.isfinite(actions).all()
    assert (actions[2, 0] != actions[2, 1]).any()


def test_its_first_belief_is_the_models_start(policy) -> None:
    seen, key = {"pixels": jnp.asarray(_pictures(1, 1)[0, 0]), "state": jnp.zeros(2)}, jax.random.key(4)
    _, memory = filter_jit(lambda p: p.act(p.init(SPEC), seen, key))(policy)
    belief = filter_jit(lambda p: p.model.start(seen, jax.random.split(key)[0]))(policy)
    np.testing.assert_allclose(memory.belief.features, belief.features, atol=1e-5)


def test_saved_and_read_it_acts_the_same(policy, tmp_path) -> None:
    changed = policy.choosing(Sampled()).choosing(Likeliest())
    latent_policies.save(tmp_path / "policy", changed, CONFIG)
    again, pictures = latent_policies.load(tmp_path / "policy"), _pictures(2, 1)
    np.testing.assert_array_equal(_play(policy, pictures)[0], _play(again, pictures)[0])


def test_exploring_differs_from_performing(policy) -> None:
    pictures = _pictures(1, 1)
    assert (_play(policy, pictures)[0] != _play(policy.choosing(Sampled()), pictures)[0]).any()


def test_its_actor_sees_the_belief_of_its_model() -> None:
    model = build_model(RSSMConfig("nano"), SEEN, 0)
    actor = Actor.build(ActorConfig("nano"), latent_spec(model), 0)
    assert actor.features.size == RSSMConfig("nano").features


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="Size 'tiny' is unknown"):
        LatentPolicyConfig(RSSMConfig("tiny"))
