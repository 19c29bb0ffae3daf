import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import DataError
from diorama.learn import Checkpoints
from diorama.learn.state import fresh


def state(value: float, size: int = 3) -> dict:
    return {"weights": jnp.full(size, value), "key": jax.random.key(int(value)), "count": jnp.array(int(value))}


def test_the_newest_comes_back_and_only_the_last_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.restore(state(0)) is None
    for step in (1, 2, 10):
        checkpoints.save(state(step), step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-0000000002", "step-0000000010"]
    again = checkpoints.restore(state(0))
    np.testing.assert_array_equal(again["weights"], [10, 10, 10])
    assert jax.random.uniform(again["key"]) == jax.random.uniform(jax.random.key(10))


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, name):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), 1)
    newest = checkpoints.save(state(2), 2) / name
    newest.write_bytes(newest.read_bytes()[:-3])
    assert checkpoints.restore(state(0))["count"] == 1


def test_what_a_crash_left_half_written_is_not_seen(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / "step-0000000009.partial").mkdir(parents=True)
    assert checkpoints.restore(state(0)) is None
    checkpoints.save(state(9), 9)
    assert checkpoints.restore(state(0))["count"] == 9


def test_a_whole_checkpoint_of_another_shape_is_an_error_not_a_fall_back(tmp_path):
    Checkpoints(tmp_path).save(state(1), 1)
    with pytest.raises(DataError, match="weights"):
        Checkpoints(tmp_path).restore(state(0, size=4))


def test_a_restored_state_has_the_types_of_a_fresh_one(tmp_path):
    """Weak types would make the program of a resumed training another one, to be compiled anew."""
    weak = jnp.log(jnp.maximum(0.1, 1e-8))
    begun = fresh({"entropy": weak}, {"mean": jnp.zeros_like(weak)}, 0)
    Checkpoints(tmp_path).save(begun, 1)
    assert jax.tree.map(jax.typeof, begun) == jax.tree.map(jax.typeof, Checkpoints(tmp_path).restore(begun))
    assert weak.weak_type
