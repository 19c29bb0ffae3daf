"""Audits of registered evaluations: planted leaks are found, and claims on a contaminated one become STALE."""

import importlib.util
import sys
from pathlib import Path

import pytest

from diorama.cli.main import main
from diorama.evaluate.audit import State, Verdict
from diorama.evaluate.statistics import Estimate
from diorama.recipes.auditing import attach_probe, audit_evaluation, newest_audit, read_audit
from diorama.registry.records import Edge, Manifest
from diorama.registry.signatures import make_key, verify
from diorama.registry.status import status_of

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "audit" / "planted.py"


@pytest.fixture(scope="module")
def planted():
    spec = importlib.util.spec_from_file_location("planted", FILE)
    module = sys.modules["planted"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_leaks_are_found_and_the_honest_story_is_clean(planted, tmp_path) -> None:
    """One seed of each; ``benchmarks/audit/run.py`` counts over many."""
    with planted.opened(tmp_path / "registry") as book:
        assert planted.audited(planted.honest(1000), book).verdict is Verdict.CLEAN
        for number, (check, verdict, plant) in enumerate(planted.PLANTS.values()):
            story = planted.honest(number)
            plant(story)
            result = planted.audited(story, book)
            assert result.outcome(check).findings, check
            assert result.verdict is verdict, check


@pytest.fixture
def contaminated(planted, tmp_path):
    story = planted.honest(1)
    planted.PLANTS["start in the policy's data"][2](story)
    with planted.opened(tmp_path / "registry") as book:
        yield book, planted.told(story, book), {"state": story.starts}


def test_a_finding_makes_the_claims_on_the_evaluation_stale(contaminated) -> None:
    book, evaluation, starts = contaminated
    claim = book.registry.register(Manifest("claim", "push-t/claim", {}, {}, (Edge("supports", evaluation),))).id
    assert status_of(book.registry.graph([claim]), claim).status == "FRESH"
    found = audit_evaluation(book, evaluation, starts=starts)
    assert found.regraded == (claim,)
    assert status_of(book.registry.graph([claim]), claim).status == "STALE"
    again = audit_evaluation(book, evaluation, starts=starts)
    assert again.version == found.version
    version, verdict = newest_audit(book, evaluation)
    assert verdict is Verdict.CONTAMINATED
    assert read_audit(book, version) == found.audit


def test_an_audit_that_finds_nothing_takes_the_advisory_back(contaminated) -> None:
    book, evaluation, starts = contaminated
    claim = book.registry.register(Manifest("claim", "push-t/claim", {}, {}, (Edge("supports", evaluation),))).id
    audit_evaluation(book, evaluation, starts=starts)
    other = {"state": starts["state"] + 200.0}
    assert audit_evaluation(book, evaluation, starts=other).audit.verdict is Verdict.CLEAN
    assert status_of(book.registry.graph([claim]), claim).status == "FRESH"


def test_a_probe_that_is_attached_is_read(contaminated) -> None:
    book, evaluation, starts = contaminated
    attach_probe(book, evaluation, "C11", {"drop": Estimate(0.4, 0.2, 0.6, 50, 0.95, "bootstrap")})
    result = audit_evaluation(book, evaluation, starts=starts).audit
    assert result.outcome("C11").state is State.FOUND


def test_the_command_says_the_verdict_and_signs(contaminated, planted, tmp_path, capsys, monkeypatch) -> None:
    book, evaluation, _ = contaminated
    make_key(tmp_path / "key")
    monkeypatch.setenv("DIORAMA_KEY", str(tmp_path / "key"))
    place = ["--registry", str(tmp_path / "registry")]
    assert main(["audit", evaluation[:12], *place]) == 1
    said = capsys.readouterr().out
    assert "verdict: contaminated" in said
    assert "same start" in said
    version, _ = newest_audit(book, evaluation)
    assert [one.fault for one in verify(book.registry, version.id)] == [""]
    assert main(["audit", "push-t/policy", *place]) == 2
    assert "name an evaluation" in capsys.readouterr().err
