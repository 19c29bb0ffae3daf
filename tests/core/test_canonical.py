import math
from dataclasses import dataclass

import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, Factor, ScenarioSpace
from diorama.core.canonical import canonical, digest, from_json, to_json


@dataclass(frozen=True)
class Inner:
    pair: tuple[int, int] = (1, 2)
    many: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    rate: float = 1.0
    on: bool = False


def test_round_trip_and_key_order_do_not_change_the_digest():
    config = Outer("x", Inner((3, 4), (0.5, math.inf)), rate=2)
    data = to_json(config)
    assert from_json(Outer, data) == config
    assert digest(dict(reversed(data.items()))) == digest(config)
    assert digest(Outer("x")) != digest(Outer("y"))


def test_canonical_text_is_fixed():
    assert canonical(Outer("é")) == '{"inner":null,"name":"é","on":false,"rate":1.0}'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "x", "raet": 1.0}, "unknown keys \\['raet'\\]"),
        ({}, "lacks \\['name'\\]"),
        ({"name": 3}, "Outer.name must be str"),
        ({"name": "x", "on": 1}, "Outer.on must be bool"),
        ({"name": "x", "rate": "fast"}, "Outer.rate must be float"),
        ({"name": "x", "inner": {"pair": [1]}}, "2 entries"),
        ({"name": "x", "inner": {"pair": [1, True]}}, "int"),
        ([], "named fields"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_it(data, message):
    with pytest.raises(ConfigError, match=message):
        from_json(Outer, data)


def test_nan_and_objects_have_no_canonical_json():
    with pytest.raises(ConfigError, match="NaN"):
        to_json(math.nan)
    with pytest.raises(ConfigError, match="object"):
        to_json(object())


def test_a_spec_round_trips_with_units_infinities_and_scenario():
    factor = Factor(1.0, 0.5, 2.0, "kg", "the block's mass")
    spec = EnvSpec(
        "w", {"x": ArraySpec((2,), "m", (-1.0, -2.0), names=("a", "b"))}, ArraySpec((1,), "N", -1.0, 1.0), 0.2,
        ScenarioSpace({"mass": factor}),
    )  # fmt: skip
    assert from_json(EnvSpec, to_json(spec)) == spec
