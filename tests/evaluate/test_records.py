"""The table of episodes: what is written comes back, and what is no such table is refused."""

import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.evaluate.records import Episodes, join, read_episodes, texts, to_parquet, write_episodes


def table(count: int = 4, **changed) -> Episodes:
    given = {
        "item": texts("0" * 64, count),
        "policy": texts(["a", "b"] * (count // 2), count),
        "world": texts("reality", count),
        "seed": np.arange(count) + 2**40,
        "steps": np.full(count, 7),
        "success": np.arange(count) % 2 == 0,
        "cause": texts("time", count),
        "metrics": {"best": np.linspace(0, 1, count), "won": (np.arange(count) % 2 == 0).astype(float)},
        "factors": {"agent_low.0": np.full(count, 50.0)},
        "trust": np.array([0.5, np.nan] * (count // 2)),
        "rates": ("won",),
    }
    return Episodes(**given | changed)


def test_what_is_written_comes_back(tmp_path) -> None:
    made = table()
    write_episodes(tmp_path / "e.parquet", made)
    for back in (read_episodes(tmp_path / "e.parquet"), read_episodes(to_parquet(made))):
        assert back.judged and back.rates == ("won",)
        for name, values in made._columns().items():
            np.testing.assert_array_equal(back._columns()[name], values, name)
    assert np.isnan(back.joules).all() and (back.wall_s == 0).all()
    assert back.score("won").dtype == bool and back.score("best").dtype == np.float64
    assert back.of("a").seed.tolist() == [2**40, 2**40 + 2] and len(back.of(world="elsewhere")) == 0
    with pytest.raises(DataError, match="no metric 'worst'"):
        back.score("worst")


def test_unknown_is_null_on_disk_and_success_unsaid_stays_unsaid() -> None:
    import io

    import pyarrow.parquet as pq

    stored = pq.read_table(io.BytesIO(to_parquet(table(judged=False))))
    assert stored["success"].null_count == 4 and stored["trust"].null_count == 2 and stored["joules"].null_count == 4
    assert not read_episodes(to_parquet(table(judged=False))).judged


def test_tables_are_joined_where_their_columns_agree() -> None:
    both = join([table(), table(2)])
    assert len(both) == 6 and both.metrics["won"].tolist() == [1, 0, 1, 0, 1, 0]
    with pytest.raises(DataError, match="other metrics"):
        join([table(), table(metrics={"other": np.zeros(4)})])
    with pytest.raises(DataError, match="no episodes"):
        join([])


def test_what_is_no_table_of_episodes_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no table of episodes"):
        read_episodes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"number of rows in \['steps'\]"):
        table(steps=np.zeros(3))
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"seed": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="lacks the columns"):
        read_episodes(tmp_path / "other.parquet")
