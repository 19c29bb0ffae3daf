"""The closed forms that the rod must meet; ``benchmarks/rope/validate.py`` prints the same and more."""

import jax
import pytest

from diorama.envs.rope.validation import CASES

TESTED = "V1 V2 V3 V4 V5 V7 V9 V10 V11 V12 V13 V14 V15 V16 V17 V18 V19 V20 V20b V32 V33 V34 V35".split()


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in TESTED])
def test_case(name: str) -> None:
    with jax.enable_x64(True):
        results = CASES[name]()
    wrong = [f"{row.quantity}: {row.value}, not {row.expected}" for row in results if not row.passed]
    assert results
    assert not wrong, "\n".join(wrong)


def test_every_tested_case_is_there() -> None:
    assert set(TESTED) <= {name.split()[0] for name in CASES}
