"""What ``diorama data ...`` does. Nothing here needs JAX."""

from diorama.cli.display import Display
from diorama.data import Dataset, check_dataset, import_dataset
from diorama.recipes import requests
from diorama.studio.dataset_view import feature_rows


def inspect(request: requests.Inspect) -> int:
    """Show what a dataset holds."""
    dataset, display = Dataset.open(request.dataset), Display()
    tasks = ", ".join(list(dataset.tasks)[:5])
    display.say(f"{request.dataset}: LeRobot {dataset.info.codebase_version}, {dataset.fps:g} rows a second")
    display.say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows; tasks: {tasks}")
    display.say(f"version (Merkle root): {dataset.identity}")
    display.table(["feature", "dtype", "shape", "mean", "std", "min", "max"], feature_rows(dataset))
    return 0


def check(request: requests.Check) -> int:
    """Check a dataset; 1 where a finding is an error."""
    findings, display = check_dataset(request.dataset), Display()
    for finding in findings:
        display.say(str(finding))
    counts = {kind: sum(f.severity == kind for f in findings) for kind in ("error", "warning", "note")}
    summary = ", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items() if count)
    display.say(summary or "sound")
    return int(counts["error"] > 0)


def import_(request: requests.Import) -> int:
    """Turn foreign episodes into a dataset."""
    dataset = Dataset.open(
        import_dataset(request.source, request.out, request.format, fps=request.fps, task=request.task)
    )
    Display().say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows in {request.out}")
    return 0
