"""Patching a world: a new version that goes on from the old weights with more data, or that was mended elsewhere."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.learn import Report
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.recipes.config import WorldConfig
from diorama.recipes.loop import WORLD
from diorama.recipes.making import Begin, fit_in, unpacked
from diorama.recipes.recorded import world_settings
from diorama.recipes.replaying import advisory_entry
from diorama.recipes.run_folder import RunFolder
from diorama.registry.recording import build_of
from diorama.registry.records import Edge, Version

PATCH = "patch"
_SHARE = 0.5
"""Share of the updates and of the learning rate with which a patched world goes on."""


def patchable(version: Version) -> Version:
    """The version, where it is a world. Raises `DataError` where it is anything else."""
    if version.kind != "simulator":
        raise DataError(
            f"{version.name} ({version.id[:12]}) is a {version.kind}, and only worlds are patched; name a world, for "
            "example the run folder of `diorama fit`."
        )
    return version


def patch_with_data(
    book: Book, world: Version, dataset: Dataset, out: Path, watch: Callable[[Report], None], updates: int | None = None
) -> str:
    """Go on fitting ``world`` to ``dataset`` in the run folder ``out``; the id of the new version.

    ``dataset`` holds the old episodes and the ones that were added. Raises `DataError` where the registry does not
    know how the world was fitted.
    """
    build = build_of(book.registry, world.id)
    if build is None:
        raise DataError(f"No build says how {world.name} ({world.id[:12]}) was fitted; patch it with --fix.")
    config = _refitted(world_settings(build.fields["command"]), updates)
    source = unpacked(book, world.id, out.parent / f".{out.name}-{world.id[:12]}")
    settings = {"verb": "patch", "world": world.id, "dataset": dataset.identity}
    with RunFolder(out, settings) as run:
        begin = Begin(world.id, PATCH)
        fit_in(run, book, dataset, config, watch, name=world.name, begin=begin, source=source)
    return describing.artifact_id(book, "simulator", out / WORLD, world.name)


def patch_with_artifact(book: Book, world: Version, place: Path) -> str:
    """Register the artifact ``place`` as a patch of ``world``; the id of the new version."""
    digest = hashlib.sha256((place / describing.WEIGHTS).read_bytes()).hexdigest()
    action = book.action({"verb": PATCH, "fix": digest}, {"begin": [world.id]})
    with book.recorder(action) as stage:
        edges = [Edge("derived_from", world.id, {"relation": PATCH})]
        made = stage.output(WORLD, describing.world_manifest(book, place, world.name, edges))
    book.places.note(made, place)
    return made


def close(book: Book, advisory: str, version: str) -> None:
    """File an advisory again with ``version`` among those that are free of the defect."""
    entry = advisory_entry(book, advisory)
    if version not in entry.fixed_in:
        book.registry.append(replace(entry, fixed_in=(*entry.fixed_in, version)))


def _refitted(config: WorldConfig, updates: int | None) -> WorldConfig:
    fit = config.fit
    changed = {"updates": updates or max(round(_SHARE * fit.updates), 1), "learning_rate": _SHARE * fit.learning_rate}
    return replace(config, fit=replace(fit, **changed))
