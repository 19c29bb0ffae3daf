"""Recording a stage of work: what went in by role, what came out, what it took. A stage that fails leaves nothing.

    with Recorder(registry, action) as stage:
        if stage.reused is None:
            weights = work()
            stage.output("policy", Manifest("policy", "push-t/policy", blobs={"w.safetensors": stage.blob(weights)}))

When the block ends well, the outputs and a build that lists inputs and outputs are registered together. The build's
family name is ``action/KEY``, so that it is found by its action key at once; work that was done before is reused.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from diorama.core.errors import DataError
from diorama.registry.actions import Action
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Edge, Manifest, Version
from diorama.registry.resources import Resources, Stopwatch

if TYPE_CHECKING:
    from diorama.registry.registry import Registry

_FAMILY = "action/"
_ROLE = "role"


class Recorder:
    """One stage of work as a context manager.

    ``reused``: the outputs by name of an earlier build of the same action, or None. Work that is done again all the
    same, with the same outcome, registers nothing. ``outputs``: name to id, complete when the block has ended.
    """

    def __init__(self, registry: "Registry", action: Action, stopwatch: Stopwatch | None = None) -> None:
        self._registry, self._action, self._watch = registry, action, stopwatch or Stopwatch()
        self._made: dict[str, Manifest] = {}
        self._taken: Resources | None = None
        self._steps = 0
        self._begun = time.time()
        self.key = action.key()
        self.reused = find_made(registry, self.key)
        self.outputs: dict[str, str] = dict(self.reused or {})

    def __enter__(self) -> "Recorder":
        self._watch.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._made and self.outputs != (self.reused or {}):
            self._register()

    def blob(self, content: bytes | str | Path) -> str:
        """Store content (text as UTF-8) and give its digest. What no version names in the end is garbage."""
        return self._registry.add_blob(content.encode() if isinstance(content, str) else content)

    def output(self, name: str, manifest: Manifest) -> str:
        """Name a version that this stage makes; its id. Later outputs may rest on earlier ones."""
        if name in self._made:
            raise DataError(f"This stage has an output {name!r} already; give each one a name of its own.")
        self._made[name] = manifest
        self.outputs[name] = manifest_id(manifest)
        return self.outputs[name]

    def took(self, resources: Resources | None = None, *, steps: int = 0) -> None:
        """State what was taken, where it was measured elsewhere; or only how many steps were done."""
        self._taken, self._steps = resources, steps

    def _register(self) -> None:
        taken = self._taken or self._watch.stop(self._steps)
        made = {name: manifest_id(manifest) for name, manifest in self._made.items()}
        build = build_manifest(self._action, made, taken, self._begun)
        self._registry.register_many([*self._made.values(), build])


def build_manifest(action: Action, outputs: Mapping[str, str], taken: Resources, started_at: float) -> Manifest:
    """The build of an action: its settings and resources as fields, an edge to each input and each output."""
    fields: dict[str, Any] = {
        "action_key": action.key(),
        "code_digest": action.code,
        "lock_digest": action.lock,
        "command": dict(action.command),
        "seeds": list(action.seeds),
        "started_at": started_at,
        "resources": taken.to_json(),
    }
    inputs = [(role, target) for role, targets in sorted(action.inputs.items()) for target in sorted(targets)]
    edges = [Edge("input", target, {_ROLE: role}) for role, target in inputs]
    edges += [Edge("output", target, {_ROLE: name}) for name, target in sorted(outputs.items())]
    return Manifest("build", _FAMILY + action.key(), fields, {}, tuple(edges))


def find_made(registry: "Registry", key: str) -> dict[str, str] | None:
    """The outputs by name of the newest build with this action key, or None. What was revoked is not found."""
    builds = registry.versions(kind="build", name=_FAMILY + key)
    for build in sorted(builds, key=lambda version: version.sequence, reverse=True):
        outputs = outputs_of(build)
        if not any(registry.events(type="revocation", subject=target) for target in outputs.values()):
            return outputs
    return None


def outputs_of(build: Version) -> dict[str, str]:
    """Name to id of what a build made."""
    return {edge.attributes[_ROLE]: edge.target for edge in build.edges if edge.role == "output"}


def inputs_of(build: Version) -> dict[str, tuple[str, ...]]:
    """Role to ids of what a build read."""
    found: dict[str, tuple[str, ...]] = {}
    for edge in build.edges:
        if edge.role == "input":
            role = edge.attributes[_ROLE]
            found[role] = (*found.get(role, ()), edge.target)
    return found


def action_of(build: Version, **changed: Any) -> Action:
    """The action of a build, with ``changed`` fields. Raises `DataError` where the build does not record it."""
    fields = build.fields
    try:
        recorded = {
            "command": fields["command"],
            "inputs": inputs_of(build),
            "seeds": tuple(fields["seeds"]),
            "code": fields["code_digest"],
            "lock": fields["lock_digest"],
        }
    except KeyError as error:
        raise DataError(f"The build {build.id[:12]} does not record {error}; it cannot be done again.") from error
    return Action(**(recorded | changed))


def build_of(registry: "Registry", version: str) -> Version | None:
    """The newest build that made a version, or None where nothing recorded it."""
    makers = {source for source, _ in registry.edges(target=version, role="output")}
    builds = [registry.get(source) for source in makers]
    return max(builds, key=lambda build: build.sequence, default=None)
