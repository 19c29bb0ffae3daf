"""Where a rebuild does its work: run folders and unpacked versions below one folder, and what was registered there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.learn import Report
from diorama.policies import load as load_policy
from diorama.recipes.book import Book
from diorama.recipes.describing import slug
from diorama.recipes.making import Begin, dataset_of, unpacked
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import Actor, Task
from diorama.registry.actions import Action
from diorama.registry.recording import find_made
from diorama.registry.records import Version

_PARTS = "parts"


class Workshop:
    """The folder ``out`` of a rebuild, with the book that it registers in. ``watch``: told where learning stands."""

    def __init__(self, book: Book, out: Path, watch: Callable[[Report], None]) -> None:
        self.book, self.out, self.watch = book, Path(out), watch

    def unpacked(self, version: str) -> Path:
        """The artifact of a version as a folder."""
        return unpacked(self.book, version, self.out / _PARTS / version[:16])

    def data(self, version: str) -> Dataset:
        """The dataset of a version, where it still lies."""
        return dataset_of(self.book, version, self.out / _PARTS / f"data-{version[:16]}")

    def begin(self, action: Action) -> tuple[Begin | None, Path | None]:
        """What the work goes on from, and its artifact."""
        if not action.inputs.get("begin"):
            return None, None
        version = one(action, "begin")
        return Begin(version, action.command.get("relation", "")), self.unpacked(version)

    def actor(self, task: Task, policy: str) -> Actor:
        """A policy as it acts: one of the task that needs no training, or from its artifact."""
        found = self.book.registry.get(policy)
        if found.fields.get("kind") == "scripted":
            return task.actor(found.fields["actor"])
        return load_policy(self.unpacked(policy))

    def folder(self, old: Version, key: str) -> Path:
        """Where the work under an action key is done."""
        return self.out / f"{slug(old.name)}-{key[:12]}"

    def run(self, old: Version, action: Action) -> RunFolder:
        """The run folder of an action; the same one when it goes on."""
        return RunFolder(self.folder(old, action.key()), {"verb": "rebuild", "action": action.key()})

    def made(self, action: Action) -> Mapping[str, str]:
        """What was registered under the action's key; output name to id."""
        made = find_made(self.book.registry, action.key())
        if made is None:
            raise DataError(
                f"The work of action {action.key()[:12]} was done and registered under another key, because the code "
                "or the packages changed while it ran; run the same command again."
            )
        return made


def one(action: Action, role: str) -> str:
    """The one version that the work reads in a role. Raises `DataError` where it reads none or several."""
    found: Any = action.inputs.get(role, ())
    if len(found) != 1:
        raise DataError(f"The recorded work read {len(found)} versions as its {role}, and this needs one.")
    return found[0]
