"""Which is real? What is shown, what stays secret, what a guess does, and what the score says."""

import json

import numpy as np
import pytest
from play_worlds import CONFIG, OTHER, REAL, SEEN
from scipy import stats

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import clopper_pearson
from diorama.studio.play.clips import clip_pair
from diorama.studio.play.game import CHANCE, Game, verdict
from diorama.studio.play.lobby import Lobby

STEPS = CONFIG.clip + 1


def truth(game: Game, round_id: str, number: int) -> int:
    return game._rounds[round_id].pairs[number].real


def test_both_clips_begin_alike_and_only_one_is_reality(stable) -> None:
    made = clip_pair(stable, SEEN, 7, CONFIG)
    assert len(made.real) == len(made.imagined) == STEPS
    assert made.real[0] == made.imagined[0] and made.real[-1] != made.imagined[-1]
    made = clip_pair(stable, OTHER, 7, CONFIG)
    assert np.ptp(np.array(made.real)[:, 2:4], axis=0).max() > 1, "the block moves"


def test_reality_cannot_be_told_from_itself(stable) -> None:
    made = clip_pair(stable, OTHER, 7, CONFIG)
    gaps = np.abs(np.array(made.real)[:, :4] - np.array(made.imagined)[:, :4])
    # It begins at rest, without what the engine remembers of contacts and motion.
    assert gaps[0].max() <= 0.1 and gaps.max() < 40


def test_reality_is_shown_through_the_same_eyes(stable) -> None:
    made = clip_pair(stable, SEEN, 7, CONFIG)
    assert made.view["kind"] == "picture" and made.real[0] == made.imagined[0]
    assert all(isinstance(picture, str) for picture in made.real + made.imagined)


def test_the_answer_stays_on_the_server_until_the_guess(lobby: Lobby) -> None:
    game = lobby.game
    played = game.begin(SEEN.id)
    shown = game.clips(played.id, 0)
    assert set(shown) == {"view", "period", "clips"} and len(shown["clips"]) == 2
    assert "real" not in json.dumps(shown)
    with pytest.raises(ConfigError, match="Look at"):
        game.guess(played.id, 1, 0)
    said = game.guess(played.id, 0, truth(game, played.id, 0))
    assert said["right"] and said["rights"] == said["done"] == 1 and said["score"] is None
    with pytest.raises(ConfigError, match="already"):
        game.guess(played.id, 0, 0)
    assert game.standing(played.id)["done"] == 1


def test_a_round_ends_with_an_exact_interval_and_all_guesses_are_kept(lobby: Lobby) -> None:
    game = lobby.game
    played = game.begin(OTHER.id)
    for number in range(CONFIG.guesses):
        game.clips(played.id, number)
        wrong = number == 0
        said = game.guess(played.id, number, truth(game, played.id, number) ^ wrong)
    expected = stats.binomtest(CONFIG.guesses - 1, CONFIG.guesses).proportion_ci(0.95, "exact")
    assert (said["score"]["low"], said["score"]["high"]) == pytest.approx((expected.low, expected.high))
    assert said["chance"] == CHANCE and "Chance lies in the interval" in said["verdict"]
    assert said["ever"]["count"] == CONFIG.guesses and said["ever"]["low"] <= said["score"]["low"]
    lines = [json.loads(line) for line in (lobby._folder / "guesses.jsonl").read_text().splitlines()]
    assert [line["right"] for line in lines] == [False, True, True, True]
    assert {line["world"] for line in lines} == {OTHER.id}


def test_a_torn_line_does_not_hide_the_others(lobby: Lobby) -> None:
    file = lobby._folder / "guesses.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"world": "seen", "right": true}\n{"world": "su')
    assert lobby.game.ever(SEEN)["count"] == 1


def test_the_verdict_follows_the_interval() -> None:
    assert "can tell" in verdict(clopper_pearson(19, 20))
    assert "Chance lies" in verdict(clopper_pearson(11, 20))
    assert "for real" in verdict(clopper_pearson(1, 20))


def test_sides_are_drawn_evenly_and_impossible_games_are_refused(lobby: Lobby) -> None:
    game = lobby.game
    sides = [pair.real for _ in range(60) for pair in game.begin(SEEN.id).pairs]
    assert stats.binomtest(sum(sides), len(sides)).pvalue > 1e-6
    assert len(game._rounds) <= 32
    for world, words in ((REAL.id, "stands for reality"), ("../x", "no such world")):
        with pytest.raises(ConfigError, match=words):
            game.begin(world)
    with pytest.raises(ConfigError, match="begin a new one"):
        game.clips("unknown", 0)
    with pytest.raises(ConfigError, match="pairs 0 to"):
        game.clips(game.begin(SEEN.id).id, CONFIG.guesses)
