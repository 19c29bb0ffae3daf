"""The verbs of the registry: what they say, to people and to machines, and what they refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import diorama as package
from diorama.registry.energy import SOURCES
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry

SOURCE = Path(package.__file__).parents[1]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A registry with a world, a policy, its evaluation and its claim."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "registry"
    monkeypatch.setenv("DIORAMA_REGISTRY", str(folder))
    with Registry.open(folder) as registry:
        world = registry.register(Manifest("simulator", "toy/world", {"origin": "learned"})).id
        policy = registry.register(Manifest("policy", "toy/policy", {"size": 1}, {}, (Edge("trained_in", world),))).id
        edges = (Edge("evaluates", policy), Edge("evaluated_in", world))
        table = registry.add_blob(b'{"seed": [1, 2], "return": [0.0, 1.0]}')
        evaluation = registry.register(Manifest("evaluation", "toy/test", {}, {"episodes.json": table}, edges)).id
        registry.register(Manifest("claim", "toy/claim", {"estimate": 0.5}, {}, (Edge("supports", evaluation),)))
        registry.register(Manifest("policy", "toy/policy", {"size": 2}, {}, (Edge("trained_in", world),)))
    return folder


@pytest.fixture
def say(diorama, capsys):
    """Runs a verb and gives what it said; ``json=True`` reads it."""

    def run(*words: object, code: int = 0, json_: bool = False) -> object:
        capsys.readouterr()
        assert diorama(*words, *(["--json"] if json_ else [])) == code, capsys.readouterr().err
        said = capsys.readouterr().out
        return json.loads(said) if json_ else said

    return run


def test_status_of_one_and_of_all(place, say) -> None:
    assert say("status", "toy/claim").splitlines()[0].endswith(": FRESH")
    assert set(say("status", json_=True).values()) == {"FRESH"} and say("status").count("FRESH") == 5
    say("revoke", "toy/world", "--reason", "wrong units")
    report = say("status", "toy/claim", json_=True)
    assert report["status"] == "INVALID" and len(report["causes"][0]["path"]) == 3
    assert "wrong units" in say("status", "toy/policy")


def test_list_lineage_explain_and_diff(place, say) -> None:
    listed = say("registry", "list", "--kind", "policy", json_=True)
    assert [one["name"] for one in listed] == ["toy/policy"] * 2
    new, old = (one["id"] for one in listed)
    assert "5 in all; the next page: --before 5" in say("registry", "list", "--limit", 1)
    down = say("lineage", "toy/world", "--down", json_=True)
    assert set(down) == {"down"} and len(down["down"]["nodes"]) == 5
    assert say("explain", old[:8], json_=True)["id"] == old and "Rests on:" in say("explain", old)
    assert "size: 1 -> 2" in say("diff", old, new)
    assert say("debt", "toy/policy", json_=True)["patch_depth"] == 0 and "no debt" in say("debt")


def test_plan_and_the_way_of_a_channel(place, say) -> None:
    with Registry.open(place) as registry:
        patch = (Edge("derived_from", registry.get("toy/world").id, {"relation": "patch"}),)
        old, new = registry.get("toy/world").id, registry.register(Manifest("simulator", "toy/world", {}, {}, patch)).id
        first, second = (v.id for v in registry.versions(kind="policy"))
    assert say("plan", old, new, json_=True)["new"] == new and "rest on it" in say("plan", old, new)
    say("channel", "set", "prod", first, "--reason", "good")
    say("channel", "set", "prod", second)
    assert "goes back to" in say("channel", "rollback", "prod", "--reason", "bad")
    assert [turn["reason"] for turn in say("channel", "log", "prod", json_=True)[0]["turns"]] == ["good", "", "bad"]
    assert "Channel prod" in say("channel", "log")
    assert say("status", "prod", json_=True)["id"] == first


def test_an_advisory_and_its_region(place, say, diorama, capsys) -> None:
    event = say("advise", "ice", "toy/world", "--region", "friction=0.6..1.0", "mass=1..2", json_=True)
    assert event["entry"]["region"] == {"factors": {"friction": [0.6, 1.0], "mass": [1.0, 2.0]}}
    say("advise", "everything", "toy/world", "--title", "all of it")
    assert say("status", "toy/policy", json_=True)["status"] in ("STALE", "UNKNOWN")
    for word in ("friction", "friction=1", "friction=2..1", "=1..2"):
        assert diorama("advise", "x", "toy/world", "--region", word) == 2
        assert "write it as friction=0.6..1.0" in capsys.readouterr().err


def test_check_garbage_and_restore(place, say) -> None:
    *lacks, verdict = say("registry", "check").splitlines()
    assert verdict == "sound; nothing is lost" and all(line.startswith("incomplete version: ") for line in lacks)
    assert "add the field estimand" in " ".join(lacks)
    assert all(one["harmless"] for one in say("registry", "check", json_=True))
    assert "0 files would go" in say("registry", "gc", "--dry-run") and say("registry", "gc", json_=True) == []
    assert "0 versions restored" in say("registry", "restore")
    blob = next((place / "blobs").glob("??/*"))
    blob.chmod(0o600)
    blob.write_bytes(b'{"seed": [1, 2], "return": [0.0, 9.0]}')
    assert say("registry", "check", code=1, json_=True)[0]["subject"] == blob.name


def test_check_names_a_database_that_cannot_be_opened(place, say) -> None:
    (place / "registry.sqlite").write_bytes(b"no database at all" * 100)
    (damage,) = say("registry", "check", code=1, json_=True)
    assert damage["what"] == "unreadable database" and str(place) in damage["subject"]
    assert "restore" in say("registry", "check", code=1)


def test_signing_and_verifying(place, say, tmp_path) -> None:
    assert "no signature" in say("verify", "toy/policy")
    say("sign", "toy/policy", "--key", tmp_path / "key", "--new-key")
    assert "(trusted)" in say("verify", "toy/policy", "--key", tmp_path / "key.pub")
    say("sign", "toy/claim", "--key", tmp_path / "other", "--new-key")
    found = say("verify", "toy/policy", "--key", tmp_path / "other.pub", code=1, json_=True)
    assert not found["sound"] and found["signatures"]


@pytest.mark.parametrize("style", ["cyclonedx", "model-card"])
def test_exports_are_files(place, say, tmp_path, style) -> None:
    say("export", "toy/policy", "--format", style, "--out", tmp_path / "out")
    assert "toy/policy" in (tmp_path / "out").read_text()


def test_what_is_refused_names_the_mend(place, diorama, capsys, tmp_path) -> None:
    cases = [
        (("status", "nobody"), "Nothing is called 'nobody'"),
        (("status", "--registry", "none"), "name its folder"),
        (("export", "toy/policy", "--format", "slsa", "--out", tmp_path / "x"), "provenance is unknown"),
        (("patch", "toy/world"), "either --data or --fix"),
        (("patch", "toy/world", "--data", tmp_path), "give --out"),
        (("advise", "x", "--starts", tmp_path), "--starts and --least"),
        (("replay", "toy/policy", "nothing", "--world", "toy/world"), "There is no advisory 'nothing'"),
        (("channel", "log", "prod"), "There is no channel 'prod'"),
        (
            ("import-weights", tmp_path / "w.safetensors", "--spec", tmp_path / "s", "--name", "x", "--kind", "policy"),
            "s",
        ),
    ]
    for words, sentence in cases:
        assert diorama(*words) == 2, words
        assert sentence in capsys.readouterr().err


def test_version(diorama, capsys) -> None:
    assert diorama("--version") == 0
    assert capsys.readouterr().out == f"diorama {package.__version__}\n"


def test_answers_need_no_jax(place) -> None:
    code = (
        "import sys\nfrom diorama.cli.main import main\n"
        "for words in (['status'], ['explain', 'toy/policy'], ['registry', 'check'], ['channel', 'log']):\n"
        "    assert main(words) == 0\n"
        "assert 'jax' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_collecting_registers_once_and_not_at_all(place, say, tmp_path) -> None:
    words = ("collect", "point-mass", "--episodes", 2, "--length", 3, "--out")
    say(*words, tmp_path / "off", "--no-registry")
    assert say("registry", "list", "--kind", "dataset", json_=True) == []
    say(*words, tmp_path / "data")
    (listed,) = say("registry", "list", "--kind", "dataset", json_=True)
    count = len(say("registry", "list", "--limit", 1000, json_=True))
    say(*words, tmp_path / "data")
    assert len(say("registry", "list", "--limit", 1000, json_=True)) == count
    page = say("explain", tmp_path / "data", json_=True)
    assert page["id"] == listed["id"] and page["cost"]["wall_s"] > 0 and page["cost"]["energy_source"] in SOURCES
    assert {one["name"] for one in page["rests_on"]} == {"point-mass/reality", "point-mass/random"}
    say("collect", "point-mass", "--episodes", 2, "--length", 3, "--seed", 9, "--out", tmp_path / "data")
    grown = say("explain", tmp_path / "data", json_=True)
    assert grown["fields"]["episodes"] == 4
    assert listed["id"] in {one["id"] for one in grown["rests_on"] if one["role"] == "derived_from"}


def test_a_slip_is_refused_before_anything_is_done(place, diorama, capsys) -> None:
    def refused(*words: str) -> str:
        assert diorama(*words) == 2
        return capsys.readouterr().err

    with Registry.open(place) as registry:
        data = registry.register(Manifest("dataset", "toy/data")).id
    assert diorama("channel", "set", "prod", "toy/policy") == 0
    assert "points at a policy, not at a dataset toy/data" in refused("channel", "set", "prod", data)
    assert "A channel is named 'Bad Name'" in refused("channel", "set", "Bad Name", "toy/policy")
    assert "is a dataset, and only worlds are patched" in refused("patch", data, "--data", "x", "--out", "y")
    assert "no advisory 'nope'" in refused("patch", "toy/world", "--data", "x", "--out", "y", "--closes", "nope")
    assert "is a dataset, and this needs a policy" in refused("replay", data, "ice", "--world", "toy/world")
    assert diorama("advise", "ice", "toy/world", "--title", "slides") == 0
    assert "has the defect ice itself" in refused("replay", "toy/policy", "ice", "--world", "toy/world")
    assert "--new-key" in refused("verify", "toy/policy", "--key", "nothing.pub")


def test_an_empty_registry_answers_every_verb(tmp_path, diorama, capsys, monkeypatch) -> None:
    monkeypatch.setenv("DIORAMA_REGISTRY", str(tmp_path / "empty"))
    for words in (
        ["status"],
        ["debt"],
        ["channel", "log"],
        ["registry", "list"],
        ["registry", "check"],
        ["registry", "gc"],
    ):
        assert diorama(*words) == 0, words
        assert capsys.readouterr().out.strip(), words
    for words in (
        ["status", "x"],
        ["explain", "x"],
        ["lineage", "x"],
        ["diff", "x", "y"],
        ["plan", "x", "y"],
        ["verify", "x"],
    ):
        assert diorama(*words) == 2, words
        assert "Nothing is called 'x'" in capsys.readouterr().err
    assert diorama("channel", "rollback", "prod") == 2 and "the channels are none" in capsys.readouterr().err


def test_a_difference_of_hundreds_of_places_is_a_few_lines(place, say) -> None:
    with Registry.open(place) as registry:
        for sign in (1, -1):
            visited = {"counts": [sign * k for k in range(1, 200)], "friction": {"least": sign * 0.25}}
            registry.register(Manifest("policy", f"toy/v{sign % 3}", {"visited": visited, "lr": sign / 3}))
    told = say("diff", "toy/v1", "toy/v2")
    assert "visited.friction.least: 0.25 -> -0.25" in told and "lr: 0.333333 -> -0.333333" in told
    assert "visited: 199 more places differ; --json lists them" in told and len(told.splitlines()) == 4
