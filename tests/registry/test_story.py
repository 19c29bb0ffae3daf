"""The whole story through the command line, on Push-T: a defect, a patch, what becomes stale and what is done then."""

import json
from pathlib import Path

import pytest

from diorama.cli.main import main
from diorama.models.config import ENSEMBLE_SIZES
from diorama.policies.config import ACTOR_SIZES
from diorama.recipes.presets import WORLDS

pytestmark = pytest.mark.slow
PLAY = ("--policy", "play", "--episodes", 8, "--length", 20)
TINY = {"nano": (2, 24, 1)}, {"nano": (16, 16)}, {"nano": 8}


class Team:
    """Runs verbs in one folder with one registry."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        self.capsys.readouterr()
        assert main([str(word) for word in words]) == code, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    def json(self, *words: object) -> object:
        return json.loads(self(*words, "--json"))

    def status(self, what: str) -> str:
        return self.json("status", what)["status"]

    def count(self) -> int:
        return len(self.json("registry", "list", "--limit", 10_000))


@pytest.fixture
def team(tmp_path, monkeypatch, capsys) -> Team:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIORAMA_REGISTRY", str(tmp_path / "registry"))
    for table, sizes in zip((ENSEMBLE_SIZES, ACTOR_SIZES, WORLDS), TINY, strict=True):
        monkeypatch.setitem(table, "nano", sizes["nano"])
    return Team(tmp_path, capsys)


def make_v1(team: Team) -> None:
    """World v1, policies A (blocks that do not rub) and B (all), and what they score in it."""
    team("collect", "push-t", "--out", "low", *PLAY)
    team("collect", "push-t", "--out", "all", *PLAY, "--vary", "friction")
    team("fit", "all", "--out", "v1", "--size", "nano", "--updates", 100)
    for policy, data in (("a", "low"), ("b", "all")):
        team("train", "v1", "--dataset", data, "--out", policy, "--size", "nano", "--updates", 10)
        imagined = ("--world", "v1", "--dataset", "all", "--episodes", 4, "--length", 10)
        team("evaluate", policy, *imagined)


def claims(team: Team) -> list[str]:
    return [one["id"] for one in team.json("registry", "list", "--kind", "claim") if one["name"].endswith("b/claim")]


def test_the_story(team) -> None:
    make_v1(team)
    assert [team.status(one) for one in ("v1", "a", "b", claims(team)[0])] == ["FRESH"] * 4
    team("channel", "set", "prod", "b", "--reason", "first release")
    old_claim, old_b = claims(team)[0], team.json("explain", "b")["id"]

    # A resumed or repeated command registers nothing twice.
    count = team.count()
    team("train", "v1", "--dataset", "all", "--out", "b", "--size", "nano", "--updates", 10)
    team("fit", "all", "--out", "v1", "--size", "nano", "--updates", 100)
    team("collect", "push-t", "--out", "low", *PLAY)
    assert team.count() == count

    # A defect at high friction is found: A never went there, B did.
    regressions = ("--starts", "all", "--least", -1e9, "--episodes", 4, "--length", 10)
    team("advise", "ice", "v1", "--title", "blocks slide", "--region", "friction=0.6..1.0", *regressions)
    assert [team.status(one) for one in ("v1", "a", "b", old_claim)] == ["STALE", "SUSPECT", "STALE", "STALE"]

    # The patch: more episodes, a new version of the world, derived from the old one.
    team("collect", "push-t", "--out", "all", *PLAY, "--vary", "friction", "--seed", 1000)
    assert "patches" in team("patch", "v1", "--data", "all", "--out", "v2", "--updates", 100, "--closes", "ice")
    assert team.status("v2") == "FRESH"
    owed = team.json("debt", "v2")
    # The data are from what stands for reality, so the world was calibrated when they were recorded.
    assert owed["patch_depth"] == 1 and owed["calibration_days"] < 1.0

    # The plan says what to do and what it takes.
    steps = {step["id"]: step for step in team.json("plan", "v1", "v2")["steps"]}
    assert steps[old_b]["action"] == "retrain" and steps[old_b]["cost"]["wall_s"] > 0
    assert steps[team.json("explain", "a")["id"]]["action"] == "replay regression"
    assert steps[old_claim]["action"] == "re-evaluate"

    # A is fresh again once its regression scenarios passed; B is built anew, and its claim measured anew.
    team("rebuild", "v1", "v2", "--only", "a")
    assert team.status("a") == "FRESH" and len(claims(team)) == 1
    done = {one["id"]: one for one in team.json("rebuild", "v1", "v2")}
    new_b, new_claim = done[old_b]["new"], done[old_claim]["new"]
    assert done[old_b]["outcome"] == "made" and new_b != old_b
    assert [team.status(one) for one in (new_b, new_claim, old_b, old_claim)] == ["FRESH", "FRESH", "STALE", "STALE"]

    # Doing it again costs nothing.
    count = team.count()
    again = team.json("rebuild", "v1", "v2")
    assert team.count() == count and not {"made", "replayed"} & {one["outcome"] for one in again}

    # The channel moves and goes back; what was made with the version rolled back is named.
    team("channel", "set", "prod", new_b, "--reason", "free of ice")
    rolled = team.json("channel", "rollback", "prod", "--reason", "slower")
    assert rolled["to"] == old_b and rolled["rolled_back"] == [new_b]
    assert new_claim in {one["id"] for one in rolled["measures"]}
    assert [turn["version"] for turn in team.json("channel", "log", "prod")[0]["turns"]] == [old_b, new_b, old_b]

    # A dataset is revoked: what was made from it is invalid, and only that.
    team("revoke", "low", "--reason", "a loose camera")
    assert [team.status(one) for one in ("low", "a", new_b, "v2")] == ["INVALID", "INVALID", "FRESH", "FRESH"]
    assert "revoked: a loose camera" in team("status", "a")
    assert team("registry", "check") == "sound\n"
