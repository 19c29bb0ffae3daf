"""The run folder: resume, refusal, and a killed writer."""

import pytest

from diorama.core.errors import ConfigError
from diorama.recipes.run_folder import RunFolder


def test_metrics_and_stages_survive(tmp_path) -> None:
    with RunFolder(tmp_path / "run", {"seed": 1}) as run:
        run.log("fit", 1, {"loss": 0.5})
        run.finish("collect", {"episodes": 3})
    with RunFolder(tmp_path / "run", {"seed": 1}) as run:
        assert run.metrics("fit") == [{"stage": "fit", "step": 1, "loss": 0.5}]
        assert run.finished("collect") == {"episodes": 3}
        assert run.finished("fit") is None


def test_rewind_forgets_what_is_done_again(tmp_path) -> None:
    with RunFolder(tmp_path, {}) as run:
        for step in range(5):
            run.log("fit", step, {"loss": step})
        run.log("train", 9, {"return": 0})
        run.rewind("fit", 2)
        run.log("fit", 3, {"loss": 30})
        assert [(m["stage"], m["step"]) for m in run.metrics()] == [
            ("fit", 0),
            ("fit", 1),
            ("fit", 2),
            ("train", 9),
            ("fit", 3),
        ]


def test_half_a_line_is_dropped(tmp_path) -> None:
    with RunFolder(tmp_path, {}) as run:
        run.log("fit", 1, {"loss": 0.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "fi')
    with RunFolder(tmp_path, {}) as run:
        assert len(run.metrics()) == 1


def test_other_settings_are_refused_and_named(tmp_path) -> None:
    with RunFolder(tmp_path, {"seed": 1, "size": "s"}) as run:
        run.log("fit", 1, {"loss": 0.5})
    with pytest.raises(ConfigError, match=r"other settings \(seed\)"):
        RunFolder(tmp_path, {"seed": 2, "size": "s"})
    with RunFolder(tmp_path, {"seed": 1, "size": "s"}):
        pass


def test_a_folder_in_use_is_refused(tmp_path) -> None:
    with RunFolder(tmp_path, {}), pytest.raises(ConfigError, match="Another process"):
        RunFolder(tmp_path, {})


def test_a_foreign_folder_is_refused(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="no run folder"):
        RunFolder(tmp_path, {})


def test_a_folder_without_work_is_free_again(tmp_path) -> None:
    with RunFolder(tmp_path, {"seed": 1}):
        pass
    with RunFolder(tmp_path, {"seed": 2}) as run:
        run.write("exam.json", "{}")
    with pytest.raises(ConfigError, match="other settings"):
        RunFolder(tmp_path, {"seed": 1})


def test_a_kill_before_the_first_file_was_whole_leaves_the_folder_usable(tmp_path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "config.json.partial").write_text('{"see')
    with RunFolder(tmp_path, {"seed": 1}):
        pass


def test_the_config_of_another_program_is_not_overwritten(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": []}')
    with pytest.raises(ConfigError, match="other settings"):
        RunFolder(tmp_path, {"seed": 1})
    assert (tmp_path / "config.json").read_text() == '{"architectures": []}'


def test_an_unreadable_config_is_named(tmp_path) -> None:
    with RunFolder(tmp_path, {"seed": 1}) as run:
        run.log("fit", 1, {"loss": 0.5})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not readable JSON"):
        RunFolder(tmp_path, {"seed": 1})
