"""What a studio offers: the newest worlds of the registry and of run folders, each once, by ids that name no file."""

from pathlib import Path

import pytest

from diorama.core.errors import ConfigError
from diorama.envs.pusht import PushT
from diorama.envs.pusht.interface import Relative
from diorama.models import build, save
from diorama.models.config import EnsembleConfig
from diorama.recipes import describing
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.opening import open_lobby
from diorama.studio.web.services import Services
from diorama.studio.web.settings import Settings


def test_worlds_of_runs_and_of_the_registry_are_offered_once(book, tmp_path: Path) -> None:
    config, spec = EnsembleConfig("nano"), PushT(Relative(), ("features",)).spec
    runs = tmp_path / "runs"
    for seed, name in enumerate(("first", "second", ".patched-first")):
        save(runs / name / "world", build(config, spec, seed), config)
    (runs / "broken" / "world").mkdir(parents=True)
    for file in ("artifact.json", "weights.safetensors"):
        (runs / "broken" / "world" / file).write_text("{")
    lobby = open_lobby(Services(book, Settings(runs=(runs, tmp_path / "none"))), PlayConfig(), tmp_path / "play")
    learned = [offer for offer in lobby.stable.offers() if offer.kind == "learned"]
    assert [offer.title for offer in learned] == ["runs/first (run)", "runs/second (run)"]
    version = describing.artifact_id(book, "simulator", runs / "second" / "world", "push-t/second")
    book.places.note(version, runs / "second" / "world")
    titles = {offer.id: offer.title for offer in lobby.stable.offers() if offer.kind == "learned"}
    assert titles[version] == f"push-t/second ({version[:8]})" and len(titles) == 2
    assert lobby.stable.world(lobby.stable.find(version)).spec.observation == spec.observation
    assert lobby.stable.real("push-t").id == "push-t"
    for world in lobby.listing()["worlds"]:
        assert set(world) == {"id", "title", "kind", "family", "arena"} and str(tmp_path) not in str(world)
    for hostile in ("../runs/first", str(runs / "first"), "", "run-runs-first"):
        with pytest.raises(ConfigError, match="no such world"):
            lobby.stable.find(hostile)
    # A world that was fitted again is another one.
    before = learned[0].id
    save(runs / "first" / "world", build(config, spec, 5), config)
    with pytest.raises(ConfigError, match="no such world"):
        lobby.stable.find(before)
