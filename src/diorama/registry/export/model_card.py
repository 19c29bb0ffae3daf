"""A Hugging Face model card: front matter in YAML and a text that says what is known of a version, and what is not.

``base_model_relation`` is one of the four words that the Hub knows (finetune, adapter, merge, quantized); a distilled
or patched descent is told in the text. A base model or a data set enters the front matter only under a name that it has
on the Hub: a family name of a registry would point at a stranger's repository there.
Source: huggingface.co/docs/hub/model-cards.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diorama.registry.export.reading import (
    SPDX,
    Claimed,
    Figure,
    Reader,
    Standing,
    build_of,
    claims,
    figures,
    licence,
    resources,
    targets,
)
from diorama.registry.records import Version

LEVELS = {
    "L0": "it looks right",
    "L1": "one-step error",
    "L2": "open-loop horizon error",
    "L3": "calibrated uncertainty",
    "L4": "counterfactual actions change the outcome as in reality",
    "L5": "policies rank as in reality",
    "L6": "a policy trained inside works outside",
    "L7": "and the statement holds with a stated confidence on a declared population, paid for by real trials",
}
"""The ladder of evidence: what a claim of each level says."""
_REAL = {"L5", "L6", "L7"}
_RELATIONS = {"finetune": "finetune", "merge": "merge"}
_TAGS = {"simulator": ("world-model",), "policy": ("policy",)}


def card_text(
    reader: Reader, name: str, *, standing: Standing | None = None, hub: Mapping[str, str] | None = None
) -> str:
    """The card of the version that ``name`` finds, as Markdown with front matter.

    ``standing``: its status when the card is written. ``hub``: family name to the name on the Hub, of base models and
    data sets that are published there.
    """
    version = reader.get(name)
    measured, claimed = figures(reader, version), claims(reader, version)
    sections = [
        _front_matter(reader, version, measured, hub or {}),
        f"# {version.name}\n\n{_opening(version)}",
        f"## Standing\n\n{_standing(version, standing)}",
        f"## Evidence\n\n{_evidence(claimed)}",
        f"## Measured\n\n{_measured(measured)}",
        f"## What it rests on\n\n{_descent(reader, version)}",
        f"## How it was made\n\n{_making(reader, version)}",
        f"## Files\n\n{_files(version)}",
        f"## What is not known\n\n{_unknown(reader, version, standing, measured, claimed)}",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(reader: Reader, version: Version, measured: Sequence[Figure], hub: Mapping[str, str]) -> str:
    parents = targets(reader, version, "derived_from")
    published = [(edge, hub[parent.name]) for edge, parent in parents if parent.name in hub]
    relations = {_RELATIONS.get(str(edge.attributes.get("relation"))) for edge, _ in published}
    data = [hub[v.name] for _, v in targets(reader, version, "trained_on", "data_from") if v.name in hub]
    fields: dict[str, Any] = {
        **_licence(version),
        "library_name": "diorama",
        "tags": ["diorama", version.kind, *_TAGS.get(version.kind, ())],
        "base_model": list(dict.fromkeys(name for _, name in published)),
        "base_model_relation": next(iter(relations)) if len(relations) == 1 else None,
        "datasets": list(dict.fromkeys(data)),
        "metrics": list(dict.fromkeys(figure.metric for figure in measured)),
    }
    lines = [line for key, value in fields.items() if value for line in _yaml(key, value)]
    return "\n".join(["---", *lines, "---"])


def _licence(version: Version) -> dict[str, Any]:
    declared = licence(version)
    if not declared or declared in SPDX.values():
        return {"license": declared.lower()}
    return {"license": "other", "license_name": declared}


def _yaml(key: str, value: Any) -> list[str]:
    """A key with a text or a list of texts. JSON's quoted text is YAML's, so no text can break out of its line."""
    if isinstance(value, str):
        return [f"{key}: {_quoted(value)}"]
    return [f"{key}:", *(f"- {_quoted(item)}" for item in value)]


def _quoted(text: Any) -> str:
    return json.dumps(_printable(text), ensure_ascii=False)


def _opening(version: Version) -> str:
    what = {"simulator": "A world model or simulator", "policy": "A policy"}.get(version.kind, f"A {version.kind}")
    foreign = (
        " Its weights are foreign: Diorama keeps and follows them and cannot run them." if _opaque(version) else ""
    )
    return f"{what}, version `{version.id}` of a Diorama registry.{foreign}"


def _opaque(version: Version) -> bool:
    return version.fields.get("opaque") is True


def _standing(version: Version, standing: Standing | None) -> str:
    if standing is None:
        return f"Its status was not asked for when this card was written; `diorama status {version.id[:12]}` tells it."
    lines = [f"Status when this card was written: **{standing.status}**.", _bullets(standing.causes)]
    if standing.advisories:
        defects = (f"{a.id} ({a.severity}): {a.title}" for a in standing.advisories)
        lines += ["Known defects:", _bullets(defects)]
    return "\n\n".join(line for line in lines if line)


def _evidence(claimed: Sequence[Claimed]) -> str:
    if not claimed:
        return "No claim is registered on this version: nobody states that it works."
    rows = [[c.figure.metric, *_numbers(c.figure), c.figure.method, _level(c.evidence)] for c in claimed]
    return _table(["claim", "estimate", "interval", "episodes", "method", "evidence"], rows)


def _level(evidence: str) -> str:
    if not evidence:
        return "no level stated"
    return f"{evidence}: {LEVELS[evidence]}" if evidence in LEVELS else evidence


def _measured(measured: Sequence[Figure]) -> str:
    if not measured:
        return "No evaluation of this version is registered."
    rows = [[f.metric, *_numbers(f), ", ".join(f.worlds), ", ".join(f.scenarios)] for f in measured]
    return _table(["metric", "value", "interval", "episodes", "in world", "scenarios"], rows)


def _numbers(figure: Figure) -> list[str]:
    """Value, interval and count; what was not recorded is said to be missing, never left to be guessed."""
    interval = "not recorded"
    if figure.low is not None and figure.high is not None:
        at = f" at {figure.level:g}" if figure.level is not None else ""
        interval = f"{figure.low:.4g} to {figure.high:.4g}{at}"
    return [f"{figure.value:.4g}", interval, "not recorded" if figure.count is None else str(figure.count)]


def _descent(reader: Reader, version: Version) -> str:
    if not version.edges:
        return "No parent, world or data set is recorded."
    rows = []
    for edge in version.edges:
        other = reader.get(edge.target)
        relation = edge.attributes.get("relation")
        rows.append([edge.role + (f" ({relation})" if relation else ""), other.kind, other.name, f"`{other.id[:12]}`"])
    return _table(["role", "kind", "family", "version"], rows)


def _making(reader: Reader, version: Version) -> str:
    build = build_of(reader, version)
    if build is None:
        return "No build is recorded."
    fields, taken = build.fields, resources(build)
    rows = [["build", f"`{build.id[:12]}`"]]
    rows += [
        [key.replace("_", " "), str(fields[key])] for key in ("code_digest", "lock_digest", "seeds") if key in fields
    ]
    rows += [
        [what, f"{taken[key]:g} s"] for key, what in (("wall_s", "wall clock"), ("device_s", "device")) if key in taken
    ]
    rows.append(["energy", _energy(taken)])
    return _table(["what", "recorded"], rows)


def _energy(taken: Mapping[str, Any]) -> str:
    joules = taken.get("joules")
    return "not measured" if joules is None else f"{joules:g} J, source {taken.get('energy_source', 'not recorded')}"


def _files(version: Version) -> str:
    if not version.manifest.blobs:
        return "None."
    return _table(
        ["file", "SHA-256"], [[name, f"`{digest}`"] for name, digest in sorted(version.manifest.blobs.items())]
    )


def _unknown(
    reader: Reader,
    version: Version,
    standing: Standing | None,
    measured: Sequence[Figure],
    claimed: Sequence[Claimed],
) -> str:
    certain = all(figure.low is not None for figure in (*measured, *(claim.figure for claim in claimed)))
    gaps = {
        "its licence": not licence(version),
        "what it was trained on": not targets(reader, version, "trained_on", "trained_in", "data_from"),
        "how it was made": build_of(reader, version) is None,
        "its status": standing is None or standing.status == "UNKNOWN",
        "how well it does": not measured,
        "how sure some of the figures are": not certain,
        "how it does in reality (no claim of level L5 or above)": not {c.evidence for c in claimed} & _REAL,
    }
    missing = [what for what, lacking in gaps.items() if lacking]
    return _bullets(missing) if missing else "Nothing that this card asks for is missing."


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(item)}" for item in items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text that can neither leave its cell nor bring markup or links of its own."""
    safe = _printable(text).replace("\\", "\\\\")
    for mark in "|<>[]*#":
        safe = safe.replace(mark, "\\" + mark if mark in "|[]*#" else {"<": "&lt;", ">": "&gt;"}[mark])
    return safe


def _printable(text: Any) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
