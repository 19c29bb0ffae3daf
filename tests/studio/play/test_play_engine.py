"""Worlds under a player's hands: starts, steps, switches, what is beside, and what is shown."""

import gc
import tracemalloc

import numpy as np
import pytest
from play_worlds import CHANCY, CONFIG, COUNTER, OTHER, REAL, SEEN, SURE

from diorama.core.errors import ConfigError, SpecError
from diorama.envs.pusht import PushT
from diorama.envs.pusht.interface import Absolute, Relative
from diorama.studio.play.controls import Hands, handle_of
from diorama.studio.play.engine import Play
from diorama.studio.play.push_t import agent_of, completed, pose_of
from diorama.studio.play.scenes import Start
from diorama.studio.play.stable import Shelf, Stable
from diorama.studio.play.starts import seeded

RIGHT, LEFT = Hands(axes=(1.0, 0.0)), Hands(axes=(-1.0, 0.0))


@pytest.fixture
def play(stable: Stable):
    """Makes a play from seed 3."""
    return lambda offer: Play(stable, CONFIG, offer, seeded(stable, offer, 3))


def table(play: Play) -> np.ndarray:
    return pose_of(play.main.scene.observation)


def test_reality_is_gym_pusht_under_the_players_actions(play) -> None:
    played, env = play(REAL), PushT(Relative(), ("state",))
    state = env.reset(np.array([3]), env.spec.scenario.default())
    for hands, action in ((RIGHT, (60, 0)), (Hands(), (0, 0)), (Hands(axes=(0.5, -1.0)), (30, -60))):
        played.act(hands)
        state = env.step(state, np.array([action], np.float32))
    assert (played.main.scene.observation["state"] == env.observe(state)["state"][0]).all()
    assert played.step_number == 3


@pytest.mark.parametrize("offer", [OTHER, SURE, CHANCY])
def test_every_world_begins_where_reality_begins(play, offer) -> None:
    assert table(play(offer)) == pytest.approx(table(play(REAL)), abs=1e-3)


def test_a_pointer_pulls_the_pusher_to_where_it_points(play) -> None:
    played = play(REAL)
    for _ in range(12):
        played.act(Hands(point=(0.9, 0.1)))
    assert np.abs(table(played)[:2] - (460.8, 51.2)).max() < 2


@pytest.mark.parametrize("offer", [OTHER, SURE, CHANCY, SEEN])
def test_the_world_changes_under_the_hands_and_nothing_jumps(play, stable, offer) -> None:
    played = play(REAL)
    for _ in range(4):
        played.act(LEFT)
    before = table(played)
    played.switch(offer, again=False)
    assert played.main.offer == offer and played.step_number == 0
    after = played.main.scene.observation
    shown = pose_of(after)
    assert shown == pytest.approx(before, abs=1e-3) if shown is not None else agent_of(after) is not None
    played.act(LEFT)
    assert all(np.isfinite(value).all() for value in played.main.scene.observation.values())


def test_the_same_start_and_actions_give_the_same_reality(play) -> None:
    played = play(SURE)
    for hands in (RIGHT, LEFT, Hands(point=(0.2, 0.2))):
        played.act(hands)
    actions = [passed.action for passed in played._recent]
    played.switch(REAL, again=True)
    alone = play(REAL)
    for action in actions:
        alone.main.step(action)
    assert (table(played) == table(alone)).all() and played.step_number == 3


def test_the_world_beside_gets_the_same_actions(play, stable) -> None:
    played = play(REAL)
    played.put_beside(stable.find(OTHER.id), again=False)
    for _ in range(5):
        played.act(LEFT)
    assert played.apart == {"px": 0.0, "deg": 0.0}
    played.put_beside(stable.find(SURE.id), again=False)
    assert played.apart["px"] == pytest.approx(0.0, abs=1e-2)
    played.act(LEFT)
    assert played.apart["px"] > 0
    played.put_beside(None, again=False)
    assert played.apart == {}


def test_a_picture_cannot_be_left_for_a_world_of_poses_but_the_start_can(play) -> None:
    played = play(SEEN)
    played.act(RIGHT)
    with pytest.raises(SpecError, match="same start"):
        played.switch(SURE, again=False)
    assert played.main.offer == SEEN
    played.switch(SURE, again=True)
    assert played.step_number == 1


def test_pictures_are_compared_with_what_reality_would_look_like(play, stable) -> None:
    played = play(SEEN)
    played.put_beside(stable.find(REAL.id), again=True)
    assert played.apart == {"levels": 0.0}
    played.act(RIGHT)
    assert played.apart["levels"] > 0


def test_other_arenas_are_refused_and_so_is_too_long_a_replay(play, stable) -> None:
    played = play(REAL)
    with pytest.raises(ConfigError, match="other actions"):
        played.switch(COUNTER, again=False)
    for _ in range(CONFIG.replay + 1):
        played.act(Hands())
    with pytest.raises(ConfigError, match="done again"):
        played.switch(OTHER, again=True)
    played.reset()
    played.switch(OTHER, again=True)


def test_nothing_grows_while_play_goes_on(play) -> None:
    played = play(COUNTER)
    for _ in range(CONFIG.replay + 20):
        played.act(RIGHT)
    assert len(played._actions) == CONFIG.replay and len(played._recent) <= CONFIG.context + 1
    assert played.main.scene.observation["state"][0] == CONFIG.replay + 20


def test_chance_shows_its_other_futures_and_how_far_apart_they_are(play) -> None:
    played = play(CHANCY)
    played.act(RIGHT)
    numbers = played.main.view.numbers(played.main.scene)
    assert len(numbers["others"]) == CONFIG.draws - 1 and numbers["spread"] > 0 and played.main.scene.spread > 0
    alone = play(SURE)
    alone.act(RIGHT)
    assert alone.main.scene.others is None and alone.main.scene.spread > 0


def test_programs_are_compiled_once_for_all_players(play, caplog) -> None:
    play(SURE)
    with caplog.at_level("DEBUG", logger="jax._src.dispatch"):
        second = play(SURE)
        second.act(RIGHT)
    assert not [r for r in caplog.records if "compilation" in r.message.lower()]


def test_a_world_that_breaks_down_stops_play_and_keeps_its_last_scene(play, monkeypatch) -> None:
    played = play(REAL)
    before = played.main.scene
    broken = {"state": np.full(5, np.nan), "features": np.zeros(8)}
    monkeypatch.setattr(played.main.drive._env, "observe", lambda state: {k: v[None] for k, v in broken.items()})
    with pytest.raises(SpecError, match="broke down"):
        played.act(RIGHT)
    assert played.main.scene is before


def test_views_say_what_a_browser_needs(play) -> None:
    about = {offer.id: play(offer).main.view.about for offer in (REAL, SEEN, COUNTER)}
    assert about["push-t"]["kind"] == "table" and len(about["push-t"]["outline"]) == 8
    assert (about["seen"]["kind"], about["seen"]["width"], about["seen"]["height"]) == ("picture", 16, 16)
    assert about["counter"] == {"kind": "signals", "labels": ["state count"], "units": ["1"], "all": 1}
    seen = play(SEEN)
    assert seen.main.view.picture(seen.main.scene).startswith(b"\x89PNG")


def test_positions_are_pointed_at_and_held() -> None:
    spec = PushT(Absolute(), ("state",)).spec
    handle = handle_of(spec)
    seen = {"state": np.array([100.0, 200.0, 0, 0, 0], np.float32)}
    assert handle.action(Hands(point=(0.5, 0.25)), seen).tolist() == [256, 128]
    assert handle.action(Hands(), seen).tolist() == [100, 200]
    assert handle.action(Hands(axes=(1.0, -1.0)), seen).tolist() == [160, 140]


def test_the_agent_is_found_in_a_picture_and_observations_follow_from_poses() -> None:
    env = PushT(Relative(), ("state", "features", "pixels", "keypoints"), pixels=64)
    state = env.reset(np.arange(8), env.spec.scenario.default())
    rows = env.observe(state)
    for k in range(8):
        one = {name: value[k] for name, value in rows.items()}
        assert np.abs(agent_of({"pixels": one["pixels"]}) - one["state"][:2]).max() < 10
        made = completed({"features": one["features"]}, dict(env.spec.observation))
        assert (made["pixels"] == one["pixels"]).all()
        assert made["keypoints"] == pytest.approx(one["keypoints"], abs=1e-2)
    with pytest.raises(SpecError, match="same start"):
        completed({"pixels": rows["pixels"][0]}, {"state": env.spec.observation["state"]})


def test_worlds_without_reality_need_a_recorded_start(stable) -> None:
    alone = Stable([Shelf([(SURE, lambda: stable.world(SURE))])], CONFIG)
    with pytest.raises(ConfigError, match="recorded episode"):
        seeded(alone, SURE, 3)
    with pytest.raises(ConfigError, match="no such world"):
        alone.find("../../etc/passwd")
    real = seeded(stable, SURE, 3)
    assert Play(alone, CONFIG, SURE, Start("given", real.seen)).main.scene is not None


def test_memory_is_flat_over_play(play) -> None:
    """Reality beside a learned world: once everything that is kept is full, 150 steps more keep no scene."""
    played = play(REAL)
    played.put_beside(SURE, again=False)

    def go_on(steps: int) -> int:
        for k in range(steps):
            played.act(RIGHT if k % 20 < 10 else LEFT)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    # What is compiled and kept for good comes before the count.
    played.act(RIGHT)
    tracemalloc.start()
    try:
        full = go_on(CONFIG.replay + 10)
        # A step that is kept holds two scenes, more than 1,000 bytes.
        assert go_on(150) - full < 75_000
    finally:
        tracemalloc.stop()
