"""Items are done once, wherever they run; a killed worker costs a retry, Ctrl-C costs what was under way."""

import pytest
import workers

from diorama.core.errors import ConfigError, DataError
from diorama.evaluate.executors import find_place
from diorama.evaluate.running import Store, run_items

ITEMS = {f"key{k}": f"text {k}" for k in range(5)}
HERE = find_place("here")


def outcomes(store: Store, items=ITEMS) -> dict[str, bytes]:
    return {key: store.get(key) for key in items if store.has(key)}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "items")


def test_what_is_finished_is_not_done_again(store) -> None:
    done, told = [], []

    def work(text: str) -> bytes:
        done.append(text)
        return workers.shout(text)

    store.put("key1", b"as it was")
    run_items(ITEMS, work, HERE, store, told=lambda *at: told.append(at))
    assert done == ["text 0", "text 2", "text 3", "text 4"] and told[-1] == (5, 5)
    run_items(ITEMS, work, HERE, store)
    assert len(done) == 4 and outcomes(store)["key1"] == b"as it was" and outcomes(store)["key4"] == b"TEXT 4"
    with pytest.raises(DataError, match="is not finished"):
        store.get("other")


def test_an_item_that_fails_does_not_stop_the_others(store) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        run_items(ITEMS | {"key2": "wrong"}, workers.fail, HERE, store)
    assert sorted(outcomes(store)) == ["key0", "key1", "key3", "key4"]


def test_ctrl_c_keeps_what_is_finished(store) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_items(ITEMS | {"key3": "stop"}, workers.interrupt, HERE, store)
    assert sorted(outcomes(store)) == ["key0", "key1", "key2"]
    run_items(ITEMS, workers.shout, HERE, store)
    assert len(outcomes(store)) == 5


def test_a_killed_worker_costs_a_retry(store, tmp_path) -> None:
    items = {f"key{k}": str(tmp_path / ("same" if k == 1 else "there")) for k in range(3)}
    (tmp_path / "there").touch()
    run_items(items, workers.die_once, find_place("processes:2"), store)
    assert set(outcomes(store, items).values()) == {b"alive"} and len(outcomes(store, items)) == 3


def test_an_item_that_kills_every_worker_is_named_and_the_others_are_done(store) -> None:
    items = {"bad": "deadly", "good": "harmless"}
    with pytest.raises(DataError, match="Item bad lost its worker 2 times"):
        run_items(items, workers.die, find_place("processes:1"), store, retries=1)
    assert outcomes(store, items) == {"good": b"HARMLESS"}


@pytest.mark.parametrize("words", ["dask:1", "submitit-local:1"])
def test_other_schedulers_give_the_same(words, store, tmp_path) -> None:
    run_items(ITEMS, workers.shout, find_place(words, tmp_path / "jobs"), store)
    assert outcomes(store) == {key: workers.shout(text) for key, text in ITEMS.items()}


@pytest.mark.parametrize("words", ["cloud:3", "processes", "processes:0", "slurm:many", "here:2"])
def test_an_executor_that_is_not_there_is_refused(words) -> None:
    with pytest.raises(ConfigError, match="executor|number of workers"):
        find_place(words)
