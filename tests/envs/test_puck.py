"""The puck's world, its laws and its faults; and Push-T's laws in reality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, SpecError
from diorama.core.invariant import Invariant
from diorama.envs.adapters import run_host
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht.invariants import INVARIANTS
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.envs.teaching.planted import Chosen, Deaf, Drift, FreeEnergy, NoFault, Planted, Teleport
from diorama.envs.teaching.puck import PUCK_LAWS, TOUCH, Puck, puck_placed
from diorama.exam.exploitation import Laws, jax_stage
from diorama.exam.exploitation.real import as_window
from diorama.policies import RandomPolicy

FAULTS = (FreeEnergy(), Teleport(), Deaf(), Drift(), NoFault())
REALITY = {"glide": 0.3, "grip": 0.15, "noise": 0.003}


def at(finger: tuple, puck: tuple) -> dict:
    return {"state": jnp.array([*finger, *puck, 0.0, 0.0], jnp.float32)}


@pytest.fixture(scope="module")
def stepped():
    """The state after one step of the world with the fault of this number, from here, under this action."""

    @jax.jit
    def step(number, seen, action):
        world = Planted.of(Chosen(number, FAULTS))
        return world.step(world.seen_at(seen, jax.random.key(0)), action, jax.random.key(0))

    return lambda number, seen, action: step(jnp.asarray(number), seen, jnp.asarray(action, jnp.float32))


def test_the_puck_gives_way_along_the_line_of_centres_and_only_when_touched(stepped) -> None:
    free = stepped(4, at((-0.5, 0.0), (0.3, 0.0)), (0.1, 0.0)).inner
    assert free.puck.tolist() == pytest.approx([0.3, 0.0]) and free.finger.tolist() == pytest.approx([-0.4, 0.0])
    pushed = stepped(4, at((0.1, 0.0), (0.3, 0.0)), (0.1, 0.0)).inner
    assert pushed.puck.tolist() == pytest.approx([0.2 + TOUCH, 0.0], abs=1e-5)
    assert pushed.velocity[0] == pytest.approx(0.5, abs=1e-4)


def test_each_fault_does_what_it_says(stepped) -> None:
    away = at((-0.1, 0.0), (0.3, 0.0))
    assert stepped(0, away, (0.0, 0.1)).inner.puck.tolist() == pytest.approx([0.3, 0.1])
    assert stepped(1, at((-0.65, 0.0), (0.3, 0.0)), (-0.1, 0.0)).inner.puck.tolist() == [0.0, 0.0]
    assert stepped(2, at((0.6, 0.5), (0.3, 0.0)), (0.1, 0.0)).inner.puck.tolist() == pytest.approx([0.26, 0.0])
    assert stepped(3, away, (0.0, 0.1)).inner.puck.tolist() == pytest.approx([0.3, 0.0])


def test_laws_hold_in_reality_and_break_where_energy_is_free() -> None:
    seeds, laws = np.arange(40), Laws(PUCK_LAWS)
    policy = RandomPolicy(Puck().spec)
    assert laws.scores(as_window(jax_stage(Puck(), seeds, 12, scenario=REALITY).play(policy))).max() < 1
    broken = as_window(jax_stage(Planted.of(Chosen(jnp.asarray(0), FAULTS)), seeds, 12).play(policy))
    assert (laws.scores(broken) > 1).mean() > 0.9
    assert laws.evidence(broken)["broken_by_law"]["no motion without touch"]["episodes"] > 30
    drifted = jax_stage(Planted.of(Chosen(jnp.asarray(3), FAULTS)), seeds, 12).play(policy)
    assert puck_placed(drifted).any() and not puck_placed(drifted).all()


def test_push_t_keeps_its_laws_with_room_to_spare() -> None:
    played = run_host(PushT(Relative(), ("state", "features")), ScriptedPlay(), np.arange(720_000, 720_012), 60)
    for name in ("features", "state"):
        shown = as_window(played)
        before, after = ({name: shown.observation[name][:, part]} for part in (slice(-1), slice(1, None)))
        for law in INVARIANTS:
            excess = law.excess(before, shown.action, after)
            assert excess.shape == shown.reward.shape and excess.max() <= law.tolerance, law.name
    with pytest.raises(SpecError, match="features"):
        INVARIANTS[0].excess({"x": shown.action}, shown.action, {"x": shown.action})


def test_push_t_laws_see_a_jump_and_a_drift() -> None:
    state = np.zeros((1, 4, 5))
    state[..., :2], state[..., 2:4] = (60.0, 60.0), (300.0, 300.0)
    state[0, 2:, 2:4] += 50.0
    found = {
        law.name: law.excess({"state": state[:, :-1]}, np.zeros((1, 3, 2)), {"state": state[:, 1:]}) > law.tolerance
        for law in INVARIANTS
    }
    assert found["no motion without touch"].tolist() == found["no free energy"].tolist() == [[False, True, False]]
    assert not found["on the table"].any() and not found["no penetration"].any()


def test_a_law_needs_a_tolerance() -> None:
    with pytest.raises(ConfigError, match="tolerance"):
        Invariant("x", "m", 0.0, lambda b, a, f: a)
