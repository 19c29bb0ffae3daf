"""Manifests: one text, one id, and a sentence for each fault."""

import dataclasses
import math

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from diorama.core.errors import DataError
from diorama.registry.manifest import (
    entry_subject,
    entry_text,
    entry_type,
    entry_versions,
    manifest_id,
    manifest_text,
    read_entry,
    read_manifest,
)
from diorama.registry.records import Advisory, BudgetEntry, ChannelEntry, Edge, Manifest, Replay, Revocation

A, B = "a" * 64, "b" * 64
WORLD = Manifest("simulator", "push-t/world", {"horizon": 8}, {"weights.safetensors": A}, (Edge("trained_on", B),))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_a_manifest_is_read_back_as_the_same_version(fields: dict) -> None:
    manifest = dataclasses.replace(WORLD, fields=fields)
    again = read_manifest(manifest_text(manifest))
    assert again == manifest
    assert manifest_id(again) == manifest_id(manifest)


def test_the_id_depends_on_every_field_and_not_on_the_order_of_keys() -> None:
    changes = [
        {"kind": "policy"},
        {"name": "push-t/other"},
        {"fields": {"horizon": 9}},
        {"blobs": {"weights.safetensors": B}},
        {"edges": (Edge("trained_on", A),)},
        {"edges": (Edge("data_from", B),)},
        {"edges": (Edge("trained_on", B, {"share": 0.5}),)},
    ]
    ids = {manifest_id(dataclasses.replace(WORLD, **change)) for change in changes}
    assert len(ids | {manifest_id(WORLD)}) == len(changes) + 1
    one, two = (dataclasses.replace(WORLD, fields=fields) for fields in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert manifest_id(one) == manifest_id(two)


def test_the_text_and_the_id_do_not_change_between_releases() -> None:
    assert manifest_text(Manifest("policy", "p", {"x": 1})) == (
        '{"blobs":{},"edges":[],"fields":{"x":1},"kind":"policy","name":"p","schema":1}'
    )
    assert manifest_id(Manifest("policy", "p", {"x": 1})) == (
        "aac3d6943eda56521f5707783de67644a215747b2c7a48ad9e57d3f3e1e21041"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "model"}, "no kind 'model'"),
        ({"name": "../etc"}, "is named '../etc'"),
        ({"name": "Push"}, "small letters"),
        ({"fields": {"x": math.nan}}, "no JSON"),
        ({"fields": {"x": object()}}, "no JSON"),
        ({"blobs": {"../weights.json": A}}, "plain relative path"),
        ({"blobs": {"/weights.json": A}}, "plain relative path"),
        ({"blobs": {"policy.pkl": A}}, "can run code"),
        ({"blobs": {"policy.pt": A}}, "can run code"),
        ({"blobs": {"run.py": A}}, "does not keep .py"),
        ({"blobs": {"weights.json": "A" * 64}}, "not a SHA-256"),
        ({"blobs": {"weights.json": "../../etc/passwd"}}, "not a SHA-256"),
        ({"edges": (Edge("likes", A),)}, "role 'likes'"),
        ({"edges": (Edge("trained_in", "a" * 63),)}, "not a SHA-256"),
        ({"edges": (Edge("derived_from", A, {"relation": "cousin"}),)}, "relation 'cousin'"),
    ],
)
def test_a_faulty_manifest_is_refused_with_a_sentence(change: dict, says: str) -> None:
    with pytest.raises(DataError, match=says.replace(".", r"\.")):
        manifest_text(dataclasses.replace(WORLD, **change))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema":1}', "[" * 100_000, manifest_text(WORLD).replace('"schema":1', '"schema":2')],
)
def test_a_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_manifest(text)


@pytest.mark.parametrize(
    "entry",
    [
        ChannelEntry("prod", A, "passed"),
        BudgetEntry("held-out", "estimation", -3.0, "queries", "exam"),
        Advisory("friction-1", "Slides too far", "high", (A,), {"factors": {"friction": [0.6, 1.0]}}, (B,), (A,)),
        Replay("friction-1", A, 9, 10, 1, B),
        Revocation(A, "wrong labels"),
    ],
)
def test_an_entry_of_the_log_is_read_back_as_it_was(entry) -> None:
    assert read_entry(entry_type(entry), entry_text(entry)) == entry
    assert entry_subject(entry)


def test_an_entry_names_the_versions_it_speaks_of() -> None:
    assert entry_versions(Advisory("x", "t", affects=(A, B), fixed_in=(B,))) == (A, B)
    assert entry_versions(Replay("x", A, 1, 1, world=B)) == (A, B)
    assert entry_versions(BudgetEntry("b", "p", 1.0, "j")) == ()


@pytest.mark.parametrize(
    "entry",
    [
        ChannelEntry("Prod!", A),
        ChannelEntry("prod", "main"),
        BudgetEntry("b", "p", math.inf, "j"),
        Replay("x", A, 3, 2),
        Advisory("x", "t", region={"bad": math.nan}),
    ],
)
def test_a_faulty_entry_is_refused(entry) -> None:
    with pytest.raises(DataError):
        entry_text(entry)
