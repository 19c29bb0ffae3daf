"""Lets these tests import ``registry_story``, which pytest's importlib mode does not put on the path."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def story():
    """The worked story, before anything is filed."""
    from registry_story import tell

    return tell()
