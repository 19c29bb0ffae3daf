"""What was played becomes an episode: the same rows, the right origin, registered with where it came from."""

import numpy as np
import pytest
from play_worlds import CONFIG, OTHER, REAL, SEEN

from diorama.data import Dataset, check_dataset, read_trajectories
from diorama.studio.play.controls import Hands
from diorama.studio.play.engine import Play
from diorama.studio.play.lobby import Lobby
from diorama.studio.play.protocol import StartWish
from diorama.studio.play.recording import Take
from diorama.studio.play.starts import seeded


def recorded(lobby: Lobby, offer, seed: int, steps: int) -> Take:
    """A take of so many steps, after two that are not recorded."""
    play = Play(lobby.stable, CONFIG, offer, seeded(lobby.stable, offer, seed))
    for _ in range(2):
        play.act(Hands())
    take = Take(offer, play.main.drive.spec, "seed", CONFIG.recorded)
    play.told = take.hear
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        play.act(Hands(axes=tuple(rng.uniform(-1, 1, 2))))
    return take


@pytest.mark.parametrize("offer", [REAL, SEEN])
def test_a_recording_comes_back_as_it_was_played(lobby: Lobby, offer) -> None:
    take = recorded(lobby, offer, 5, 6)
    saved = lobby.save(take)
    assert (saved.episode, saved.steps) == (0, 6)
    assert not [finding for finding in check_dataset(saved.folder) if finding.level == "error"]
    back = read_trajectories(Dataset.open(saved.folder))
    played = take.trajectory()
    assert (back.action[0] == played.action).all() and (back.reward[0] == played.reward).all()
    for name, values in played.observation.items():
        assert (back.observation[name][0] == values).all(), name
    assert (back.end[0] == played.end).all()


def test_episodes_are_added_and_registered_with_their_origin(lobby: Lobby, book) -> None:
    first = lobby.save(recorded(lobby, REAL, 5, 3))
    second = lobby.save(recorded(lobby, REAL, 6, 3))
    learned = lobby.save(recorded(lobby, SEEN, 6, 3))
    assert (second.folder, second.episode) == (first.folder, 1) and learned.folder != first.folder
    newest, dream = book.registry.get(second.version), book.registry.get(learned.version)
    assert newest.fields["origin"] == "real" and dream.fields["origin"] == "learned"
    assert newest.fields["operators"] == ["person"] and newest.fields["episodes"] == 2
    roles = {edge.role: edge.target for edge in newest.edges}
    assert roles["derived_from"] == first.version
    simulator = book.registry.get(newest.fields["simulator"])
    assert simulator.kind == "simulator" and simulator.fields["stands_for"] == "reality"
    assert simulator.id in [edge.target for edge in newest.edges]
    assert {shelved.id for shelved in lobby.library.shelves()} == {second.version, learned.version}


def test_play_begins_from_a_row_of_a_recording(lobby: Lobby) -> None:
    take = recorded(lobby, REAL, 5, 5)
    saved = lobby.save(take)
    play = lobby.open(OTHER.id, "", StartWish(dataset=saved.version, episode=0, row=4))
    begun, recorded_there = play.main.scene.observation["state"], take.steps[3].after.observation["state"]
    assert begun == pytest.approx(recorded_there, abs=1e-3), "physics begins there, at rest"
    assert len(play.start.seen) == CONFIG.context == len(play.start.done) + 1
    play = lobby.open(REAL.id, "", StartWish(dataset=saved.version, episode=0, row=0))
    assert play.main.scene.observation["state"] == pytest.approx(take.steps[0].before.observation["state"], abs=1e-3)


def test_a_recording_is_bounded_and_ends_with_the_world(lobby: Lobby) -> None:
    take = recorded(lobby, REAL, 5, CONFIG.recorded + 5)
    assert take.over and len(take.steps) == CONFIG.recorded
    ended = recorded(lobby, REAL, 5, 2)
    scene = ended.steps[-1].after
    object.__setattr__(scene, "end", True)
    assert ended.over and ended.trajectory().end.tolist() == [False, True]
