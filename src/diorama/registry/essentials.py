"""What a version of each kind must say to be of use to whoever did not make it: the essential fields.

Source: the concept model of Diorama's registry (operations, section 11.2). Registering does not ask for them, so that
what others made can be taken in as it is; `diorama registry check` names what lacks one. An imported version
(``opaque``) says what it takes and gives, and how it was made is UNKNOWN anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from diorama.registry.records import Manifest


@dataclass(frozen=True)
class Need:
    """Something that a version must say: in one of ``fields``, by an edge in one of ``roles``, or in any blob.

    ``what`` names it in a sentence. A field that is there may be empty, where it says that there is nothing to say.
    """

    what: str
    fields: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    blobs: bool = False

    def met(self, manifest: Manifest) -> bool:
        """Whether a manifest says it."""
        named = any(name in manifest.fields for name in self.fields)
        return named or any(edge.role in self.roles for edge in manifest.edges) or (self.blobs and bool(manifest.blobs))

    def mend(self) -> str:
        """What to add."""
        ways = [f"the field {' or '.join(self.fields)}"] if self.fields else []
        ways += [f"an edge {' or '.join(self.roles)}"] if self.roles else []
        ways += ["a blob"] if self.blobs else []
        return ", or ".join(ways)


def _fields(**named: str) -> tuple[Need, ...]:
    """One need for each field of this name."""
    return tuple(Need(what, (name,)) for name, what in named.items())


_OPAQUE = _fields(spec="what it takes and gives")
ESSENTIALS: Mapping[str, tuple[Need, ...]] = {
    "episode": _fields(
        exact="the digest of its rows",
        motion="the sketch of its actions",
        percept="the sketch of its pictures",
        ids="scene, session and operator",
        embodiment="which robot it is of",
        recorded_at="when it was recorded",
        origin="whether it is real, physics or learned",
    ),
    "dataset": _fields(
        merkle_root="which episodes it holds",
        splits="how it is split",
        filters="what was left out",
        licence="its licence",
    ),
    "scenario_set": (
        *_fields(visibility="who may see it", expires="until when it is used"),
        Need("what it is drawn from", ("distribution", "region"), ("drawn_from",)),
        Need("which scenarios were drawn", ("seeds", "outcomes"), (), True),
    ),
    "simulator": _fields(
        origin="whether it is learned, physics, hybrid or real",
        contract="what it observes, which actions it takes, and its control period",
        family="how it is built, to tell worlds of another structure apart",
    ),
    "policy": (
        *_fields(kind="what kind of policy it is"),
        Need("what acts", ("actor", "file"), (), True),
    ),
    "judge": _fields(scorer="what scores", confusion="how often it disagrees with people"),
    "protocol": _fields(task="for which task it is", protocol="metrics, stopping rule, alpha, strata and exclusions"),
    "build": _fields(
        action_key="by which key it is reused",
        code_digest="which code ran",
        lock_digest="with which packages",
        command="what was done",
        resources="what it took",
    ),
    "evaluation": (
        Need("what it measures", (), ("evaluates", "affects")),
        Need("where, or on what", (), ("evaluated_in", "drawn_from", "affects")),
        Need("what came out", ("estimates", "measures", "figures", "findings")),
    ),
    "failure_mode": (
        *_fields(
            label="what goes wrong", episodes="in which episodes", seen_in="where it shows", hidden_by="where not"
        ),
        Need("where it was observed", (), ("observed_in",)),
    ),
    "audit": (*_fields(verdict="its verdict", checks="its checks"), Need("what was audited", (), ("affects",))),
    "claim": (
        *_fields(estimand="what is claimed", evidence_level="on which rung of the ladder"),
        Need("the estimate", ("estimate", "says")),
        Need("its interval", ("interval", "says")),
        Need("the method", ("method", "protocol")),
        Need("the evaluations that it rests on", (), ("supports",)),
    ),
    "attestation": (
        *_fields(envelope="the signed statement", key="by whose key"),
        Need("what is signed", (), ("attests",)),
    ),
}
"""Kind to what a version of that kind must say."""


def lacking(manifest: Manifest) -> tuple[Need, ...]:
    """What a manifest must say and does not."""
    needs = _OPAQUE if manifest.fields.get("opaque") else ESSENTIALS[manifest.kind]
    return tuple(need for need in needs if not need.met(manifest))


def complaint(manifest: Manifest) -> str:
    """What a manifest lacks and how that is mended, in a sentence; empty where it lacks nothing."""
    lacks = lacking(manifest)
    if not lacks:
        return ""
    said = "; ".join(f"{need.what} (add {need.mend()})" for need in lacks)
    return f"The {manifest.kind} {manifest.name} does not say {said}."
