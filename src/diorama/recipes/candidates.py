"""Policies by name: those of a task, artifacts, versions of the registry, ONNX files, and a user's own Python."""

import ast
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diorama.core import EnvSpec, HostPolicy, Policy
from diorama.core.artifact import WEIGHTS
from diorama.core.canonical import digest
from diorama.core.errors import ConfigError, DataError, DioramaError
from diorama.policies.foreign import from_callable
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY, find_artifact
from diorama.recipes.making import unpacked
from diorama.recipes.matching import check_match, spec_of
from diorama.recipes.tasks import Actor, Task, load_attribute
from diorama.recipes.worlds import artifact_digest, cache
from diorama.registry.records import Manifest

ONNX, PYTHON = ".onnx", ".py:"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy to be tested.

    ``name``: as it was asked for. ``make``: builds it for a world of the task. ``address``: a word by which
    `find_candidate` finds it in any process of this machine, without a registry. ``digest``: of everything that makes
    it but the code of Diorama. ``version``: id in the registry, None without one. ``trained_in``: ids of the worlds
    that it was optimised in, as far as the registry knows.
    """

    name: str
    make: Callable[[EnvSpec], Actor]
    address: str
    digest: str
    version: str | None = None
    trained_in: tuple[str, ...] = ()


def find_candidate(task: Task, word: str, *, book: Book | None = None) -> Candidate:
    """The policy that a word means, for this task.

    ``random`` or another actor of the task; a run folder, or its ``policy/`` folder; ``net.onnx``; ``file.py:Class`` or
    ``file.py:function``, also with settings, ``file.py:Class(level=0.1)``: see `own`; with a ``book`` also a name,
    channel or id of the registry. Raises `ConfigError` where no policy is called so.
    """
    if word == "random" or word in task.actors:
        version = None if book is None else describing.scripted_id(book, task.name, word)
        return Candidate(word, lambda spec: task.actor(word), word, digest([task.name, word]), version)
    if PYTHON in word:
        return _python(task, word, book)
    if word.endswith(ONNX) and Path(word).is_file():
        return _onnx(task, word, book)
    if book is None and not Path(word).exists():
        raise ConfigError(f"No policy is called {word!r}; {_known(task)} and file.py:Class.")
    if Path(word).exists() or book is None:
        return _artifact(task, word, find_artifact(Path(word), POLICY), book)
    return _registered(task, word, book)


def collector(task: Task, word: str, *, book: Book | None = None) -> Candidate:
    """Who acts while data are collected, under the name that the episodes keep: no path, and what tells two apart."""
    found = find_candidate(task, word, book=book)
    if word in {"random", *task.actors}:
        return found
    return replace(found, name=f"{Path(word.partition('(')[0]).name} {found.digest[:12]}")


def own(made: Any, spec: EnvSpec) -> Actor:
    """What a user's file made, as a policy.

    A `Policy` or a `HostPolicy` is one. Anything else is called with a dict of all observations that the world shows,
    NumPy arrays ``[N, ...]`` by name, and returns the actions ``[N, A]`` in the units and bounds of the task: a NumPy
    array, or a tensor of any framework. Raises `ConfigError` for what cannot be called.
    """
    if isinstance(made, Policy | HostPolicy):
        return made
    if not callable(made):
        raise ConfigError(f"A {type(made).__name__} cannot act; make a policy, or something to call on observations.")
    return from_callable(made, spec, batched=True, named=True)


def _python(task: Task, word: str, book: Book | None) -> Candidate:
    place, settings = _call(word)
    file = Path(place.rpartition(":")[0])
    attribute = load_attribute(place)

    def make(spec: EnvSpec) -> Actor:
        known = inspect.signature(attribute).parameters
        given = {"spec": spec} if "spec" in known else {}
        try:
            return own(attribute(**given, **settings), spec)
        except TypeError as error:
            raise ConfigError(f"{word} cannot be made ({error}); give it the settings that it takes.") from error
        except DioramaError:
            raise
        except Exception as error:
            raise ConfigError(f"{word} cannot be made ({type(error).__name__}: {error}); mend the file.") from error

    content = hashlib.sha256(file.read_bytes()).hexdigest()
    identity = digest(["python", content, place.rpartition(":")[2], settings])
    fields = {"file": content, "attribute": place.rpartition(":")[2], "settings": settings}
    address = word.replace(str(file), str(file.resolve()), 1)
    return Candidate(word, make, address, identity, _foreign(book, task, file.stem, "python", fields))


def _call(word: str) -> tuple[str, dict[str, Any]]:
    """``file.py:Class(level=0.1)`` as ``file.py:Class`` and its settings. Raises `ConfigError` for anything odd."""
    place, _, inside = word.partition(PYTHON)
    name, bracket, rest = inside.partition("(")
    if not bracket:
        return word, {}
    try:
        call = ast.parse(f"made({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("only settings by name")
        settings = {str(given.arg): ast.literal_eval(given.value) for given in call.keywords}
    except (ValueError, SyntaxError) as error:
        raise ConfigError(f"{word} cannot be read ({error}); write file.py:Class(level=0.1, kind='a').") from error
    return f"{place}{PYTHON}{name}", settings


def _onnx(task: Task, word: str, book: Book | None) -> Candidate:
    def make(spec: EnvSpec) -> Actor:
        from diorama.policies.onnx import from_onnx

        return from_onnx(word, spec)

    content = hashlib.sha256(Path(word).read_bytes()).hexdigest()
    version = _foreign(book, task, Path(word).stem, "onnx", {"file": content})
    return Candidate(word, make, str(Path(word).resolve()), digest(["onnx", content]), version)


def _foreign(book: Book | None, task: Task, name: str, kind: str, fields: Mapping[str, Any]) -> str | None:
    """The version of a policy whose file the registry does not keep: the digest of the file says which it is."""
    if book is None:
        return None
    given = {"kind": kind, **fields}
    return book.registry.register(Manifest("policy", describing.family(task.name, name), given)).id


def _artifact(task: Task, word: str, place: Path, book: Book | None, version: str | None = None) -> Candidate:
    def make(spec: EnvSpec) -> Actor:
        check_match("The policy", spec_of(place), spec)
        return load_policy(place)

    trained: tuple[str, ...] = ()
    if book is not None:
        name = describing.family(spec_of(place).name, place.parent.name)
        version = version or describing.artifact_id(book, "policy", place, name)
        trained = tuple(edge.target for _, edge in book.registry.edges(source=version, role="trained_in"))
    return Candidate(word, make, str(place.resolve()), artifact_digest(place), version, trained)


def _known(task: Task) -> str:
    return f"{task.name!r} knows {', '.join(sorted({'random', *task.actors}))}, run folders, NET.onnx"


def _registered(task: Task, word: str, book: Book) -> Candidate:
    try:
        found = book.registry.get(word)
    except DataError as error:
        raise ConfigError(
            f"No policy is called {word!r}; {_known(task)}, file.py:Class, and what is registered ({error})"
        ) from error
    if found.kind != "policy":
        raise ConfigError(f"{word} is a {found.kind}, not a policy; name a policy of the registry.")
    if found.fields.get("kind") == "scripted":
        return find_candidate(task, found.fields["actor"], book=book)
    if WEIGHTS not in found.manifest.blobs:
        raise ConfigError(
            f"The registry knows policy {found.name} ({found.id[:12]}) and does not keep its file; name the file "
            "instead (of an audit or of real trials with --policy): NET.onnx, or file.py:Class."
        )
    place = unpacked(book, found.id, cache("policies") / found.id)
    return _artifact(task, word, place, book, found.id)
