"""Sketches of what was visited: nothing is lost by batches, and a share in a region holds the true one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core import DataError
from diorama.registry.visits import Overlap, declare, from_json, hash_cells, overlap

VALUES = st.lists(st.floats(-2.0, 2.0).map(lambda x: round(x, 1)), min_size=1, max_size=30)
EDGES = st.lists(st.integers(-15, 15).map(lambda i: i / 10), max_size=5, unique=True).map(sorted)
BOUND = st.integers(-25, 25).map(lambda i: i / 10)


@settings(max_examples=30, deadline=None)
@given(VALUES, VALUES, EDGES)
def test_batches_and_merging_lose_nothing(first: list, second: list, edges: list) -> None:
    empty = declare({"x": edges}, {"y": 0.5}, keep=4)
    a, b = (empty.add({"x": np.array(v)}, {"y": np.array(v)[:, None]}) for v in (first, second))
    whole = np.array(first + second)
    assert a.merge(b) == empty.add({"x": whole}, {"y": whole[:, None]}) == b.merge(a)
    assert from_json(json.loads(json.dumps(a.to_json()))) == a


@settings(max_examples=30, deadline=None)
@given(VALUES, EDGES, BOUND, BOUND)
def test_the_true_share_lies_between(values: list, edges: list, low: float, high: float) -> None:
    record = declare({"x": edges}).add({"x": np.array(values)}).to_json()
    share = overlap(record, {"factors": {"x": [low, high]}})
    assert share.low <= np.mean([low <= value <= high for value in values]) <= share.high


@settings(max_examples=20, deadline=None)
@given(VALUES, st.integers(1, 6))
def test_the_true_share_of_cells_lies_between(values: list, keep: int) -> None:
    seen = {"y": np.array(values)[:, None]}
    record = declare({}, {"y": 0.5}, keep=keep).add({}, seen).to_json()
    inside = hash_cells({"y": np.array([[0.1], [1.2]])}, {"y": 0.5})
    share = overlap(record, {"cells": inside})
    truth = np.mean([cell in inside for cell in hash_cells(seen, {"y": 0.5})])
    assert share.low - 1e-9 <= truth <= share.high + 1e-9
    assert len(record["cells"]["hashes"]) <= keep


def test_extremes_tell_a_bin_apart_that_lies_across_the_region() -> None:
    record = declare({"friction": [0.0, 1.0]}).add({"friction": np.array([0.1, 0.5])}).to_json()
    assert overlap(record, {"factors": {"friction": [0.6, 1.0]}}).none
    assert overlap(record, {"factors": {"friction": [0.5, 1.0]}}) == Overlap(0.0, 1.0)


def test_factors_together_are_bounded_without_assuming_how_they_went_together() -> None:
    half = np.array([0.1, 0.1, 0.9, 0.9])
    visits = declare({"a": [0.5], "b": [0.5], "c": [0.5]}).add({"a": half, "b": half, "c": np.full(4, 0.9)})
    region = {"factors": {"a": [0.5, 1.0], "b": [0.5, 1.0]}}
    assert overlap(visits.to_json(), region) == Overlap(0.0, 0.5)
    assert overlap(visits.to_json(), {"factors": {"a": [0.5, 1.0], "c": [0.5, 1.0]}}) == Overlap(0.5, 0.5)


def test_what_is_not_recorded_is_unknown_unless_the_rest_already_decides() -> None:
    record = declare({"a": [0.5]}).add({"a": np.array([0.1])}).to_json()
    assert overlap(record, {"factors": {"mass": [0.0, 1.0]}}).undecided
    assert overlap(record, {"factors": {"a": [0.6, 1.0], "mass": [0.0, 1.0]}}).none
    assert overlap(None, {"factors": {"a": [0.0, 1.0]}}).undecided
    assert overlap(None, {"everywhere": True}) == Overlap(1.0, 1.0)
    assert overlap(record, {}).undecided


def test_misuse_is_refused() -> None:
    visits = declare({"a": [0.5]}, {"y": 1.0})
    with pytest.raises(DataError, match="lacks the factors"):
        visits.add({})
    with pytest.raises(DataError, match="lacks the observations"):
        visits.add({"a": np.zeros(1)}, {})
    with pytest.raises(DataError, match="NaN"):
        visits.add({"a": np.array([np.nan])})
    with pytest.raises(DataError, match="different edges"):
        declare({"a": [0.1]}).merge(declare({"a": [0.5]}))
    with pytest.raises(DataError, match="declare them alike"):
        visits.merge(declare({"b": [0.5]}))
    with pytest.raises(DataError, match="cannot be read"):
        from_json({"factors": {"a": {"edges": [1.0]}}})
