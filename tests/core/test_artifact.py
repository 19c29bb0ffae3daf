import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from diorama.core import ArraySpec, DataError, EnvSpec, Module
from diorama.core.artifact import DESCRIPTION, WEIGHTS, Builder, load_artifact, named_arrays, save_artifact
from diorama.models import EnsembleConfig, build, load, save
from diorama.nn import PlanarFrame

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
SPEC = EnvSpec(
    "toy",
    {"pose": ArraySpec((6,), "px"), "speed": ArraySpec((2,), "px/s", -5.0, 5.0)},
    ArraySpec((2,), "px", -1.0, 1.0),
    0.2,
)
FRAME = PlanarFrame(origin=(2, 3), heading=(4, 5), points=((0, 1),), vectors=((6, 7),), actions=((0, 1),))
CONFIG = EnsembleConfig("nano", FRAME)


class Small(Module):
    weight: jax.Array
    key: jax.Array
    half: jax.Array


def build_small(config: PlanarFrame, spec: EnvSpec, seed: int) -> Small:
    return Small(jnp.zeros((config.origin[0], 3)), jax.random.key(seed), jnp.zeros(2, jnp.bfloat16))


BUILDERS = {"small": Builder(PlanarFrame, build_small)}
SMALL = PlanarFrame(origin=(2, 1), heading=(0, 1))


def write(folder: pathlib.Path) -> Small:
    small = Small(jnp.arange(6.0).reshape(2, 3), jax.random.key(7), jnp.ones(2, jnp.bfloat16))
    save_artifact(folder, small, kind="small", config=SMALL, spec=SPEC)
    return small


def change(folder: pathlib.Path, **fields: object) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_module_comes_back_bit_for_bit_keys_and_half_precision_too(tmp_path):
    small = write(tmp_path)
    again = load_artifact(tmp_path, BUILDERS)
    for name, array in named_arrays(small).items():
        np.testing.assert_array_equal(array, named_arrays(again)[name])
    assert jax.random.uniform(again.key) == jax.random.uniform(jax.random.key(7))
    assert again.half.dtype == jnp.bfloat16


def test_nothing_but_json_and_safetensors_is_written(tmp_path):
    write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [DESCRIPTION, WEIGHTS]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 99}, "schema 99"),
        ({"kind": "other"}, "'other'"),
        ({"surprise": 1}, "exactly the fields"),
        ({"config": {"origin": [2, 1], "heading": [0, 1], "twist": 1}}, "unknown keys \\['twist'\\]"),
        ({"config": {"origin": [5, 1], "heading": [0, 1]}}, r"weight is float32\[2, 3\].*float32\[5, 3\]"),
    ],
)
def test_a_description_that_does_not_fit_is_named(tmp_path, fields, message):
    write(tmp_path)
    change(tmp_path, **fields)
    with pytest.raises(DataError, match=message):
        load_artifact(tmp_path, BUILDERS)


def test_missing_and_extra_arrays_are_named(tmp_path):
    write(tmp_path)
    arrays = load_file(tmp_path / WEIGHTS)
    save_file({name: a for name, a in arrays.items() if name != "weight"}, tmp_path / WEIGHTS)
    with pytest.raises(DataError, match="lacks the arrays \\['weight'\\]"):
        load_artifact(tmp_path, BUILDERS)
    save_file(arrays | {"ghost": np.zeros(1, np.float32)}, tmp_path / WEIGHTS)
    with pytest.raises(DataError, match="unknown arrays \\['ghost'\\]"):
        load_artifact(tmp_path, BUILDERS)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_truncated_and_missing_files_are_errors_of_ours(tmp_path, name):
    write(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=name):
        load_artifact(tmp_path, BUILDERS)
    path.unlink()
    with pytest.raises(DataError, match=name):
        load_artifact(tmp_path, BUILDERS)


def test_a_model_round_trip_keeps_its_predictions(tmp_path):
    model = build(CONFIG, SPEC, seed=3)
    save(tmp_path, model, CONFIG)
    np.testing.assert_array_equal(outputs(load(tmp_path)), outputs(model))


def outputs(model) -> np.ndarray:
    observation = {"pose": jnp.array([3.0, 4.0, 1.0, 2.0, 0.6, 0.8]), "speed": jnp.array([0.5, -0.5])}
    key = jax.random.key(0)
    said = model.read(model.step(model.start(observation, key), jnp.array([0.3, -0.9]), key))
    return np.concatenate([said.observation["pose"], said.observation["speed"], said.reward[None], said.end[None]])


def test_the_golden_artifact_of_schema_1_loads_and_predicts_what_it_predicted():
    expected = np.asarray(json.loads((GOLDEN / "ensemble-schema-1" / "expected.json").read_text()), np.float32)
    np.testing.assert_allclose(outputs(load(GOLDEN / "ensemble-schema-1")), expected, rtol=1e-4, atol=1e-5)
