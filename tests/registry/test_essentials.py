"""Essential fields: of every kind a whole version and all that it must say, and what Diorama itself writes is whole."""

import dataclasses

import pytest

from diorama.registry.check import check_place, incomplete
from diorama.registry.essentials import ESSENTIALS, complaint, lacking
from diorama.registry.records import KINDS, Edge, Manifest
from diorama.registry.registry import Registry


def whole(kind: str) -> Manifest:
    """A version that says everything, in the first way that is known for each need."""
    fields, edges, blobs = {}, [], {}
    for need in ESSENTIALS[kind]:
        if need.fields:
            fields[need.fields[0]] = None
        elif need.roles:
            edges.append(Edge(need.roles[0], "a" * 64))
        else:
            blobs["a.json"] = "b" * 64
    return Manifest(kind, f"lab/{kind}", fields, blobs, tuple(edges))


def test_every_kind_must_say_something() -> None:
    assert set(ESSENTIALS) == set(KINDS) and all(ESSENTIALS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_lacking_is_named_with_the_mend(kind: str) -> None:
    full = whole(kind)
    assert lacking(full) == () and complaint(full) == ""
    for need in ESSENTIALS[kind]:
        fields = {name: value for name, value in full.fields.items() if name not in need.fields}
        edges = tuple(edge for edge in full.edges if edge.role not in need.roles)
        spoilt = dataclasses.replace(full, fields=fields, edges=edges, blobs={} if need.blobs else full.blobs)
        assert need in lacking(spoilt)
        assert need.what in complaint(spoilt) and need.mend() in complaint(spoilt)


@pytest.mark.parametrize("kind", KINDS)
def test_each_other_way_to_say_it_counts(kind: str) -> None:
    for need in ESSENTIALS[kind]:
        ways = [Manifest(kind, "lab/x", {name: ""}) for name in need.fields]
        ways += [Manifest(kind, "lab/x", {}, {}, (Edge(role, "a" * 64),)) for role in need.roles]
        ways += [Manifest(kind, "lab/x", {}, {"a.json": "b" * 64})] if need.blobs else []
        assert ways and all(need.met(way) for way in ways)
        assert not need.met(Manifest(kind, "lab/x"))


def test_what_was_imported_need_not_say_how_it_was_made() -> None:
    assert lacking(Manifest("policy", "foreign/p", {"opaque": True, "spec": {}})) == ()
    assert [need.fields for need in lacking(Manifest("policy", "foreign/p", {"opaque": True}))] == [("spec",)]


def test_check_names_it_and_loses_nothing(folder) -> None:
    with Registry.open(folder) as registry:
        claim = registry.register(Manifest("claim", "lab/c", {"estimand": "success"})).id
        assert registry.check() == []
        (damage,) = incomplete(registry)
    assert damage.what == "incomplete version" and damage.subject == claim and damage.harmless
    for part in ("the evaluations that it rests on (add an edge supports)", "evidence_level", "Register it again"):
        assert part in damage.sentence
    assert "what is claimed" not in damage.sentence
    assert check_place(folder) == [] and check_place(folder, complete=True) == [damage]
