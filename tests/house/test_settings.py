"""The settings of ``tests/conftest.py`` are in force: JAX read them, shapes are checked, the network is shut."""

import socket

import jax
import jax.numpy as jnp
import pytest

from diorama.core import Window


def test_ranks_do_not_broadcast_in_silence() -> None:
    with pytest.raises(ValueError, match="rank"):
        jnp.ones((3, 2)) + jnp.ones(2)


def test_compiled_programs_are_kept() -> None:
    assert jax.config.jax_compilation_cache_dir


def test_shapes_are_checked_at_run_time() -> None:
    flags = jnp.zeros(3, bool)
    with pytest.raises(TypeError, match="reward"):
        Window({}, action=jnp.zeros((3, 1)), reward=jnp.zeros(4), end=flags, mask=flags)


def test_the_network_is_shut() -> None:
    with socket.socket() as connection, pytest.raises(RuntimeError, match="without a network"):
        connection.connect(("192.0.2.1", 80))
