"""What each verb of the command line asks for. JAX-free; the Python functions take the same objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Size = Literal["nano", "xs", "s", "m", "l"]
Images = Literal["none", "png", "h264", "av1"]
Model = Literal["ensemble", "rssm", "diffusion", "hybrid"]
Network = Literal["mlp", "transformer", "reader", "unet", "patches"]
At = Annotated[Where, arg(name="")]
_SEEDS = 2**32


def _at_least_one(**given: int | None) -> None:
    for name, value in given.items():
        if value is not None and value < 1:
            raise ConfigError(f"--{name} is {value}; give at least 1.")


def _seeds(first: int, count: int = 1) -> None:
    if not 0 <= first <= _SEEDS - count:
        raise ConfigError(f"--seed is {first}; seeds go from 0 to {_SEEDS - 1}, the last of {count} included.")


@dataclass(frozen=True)
class Collect:
    """Collect episodes of real interaction into a LeRobot v3 dataset.

    Collecting into a folder that already holds a dataset of the same features appends to it; a collection that was
    interrupted goes on with the episodes that are missing.
    """

    env: Positional[str]
    """A registered environment (push-t, rope-coiling, pendulum, ...), gym:ID for a Gymnasium one, or file.py:NAME for
    your own."""
    out: Path
    """The dataset's folder."""
    episodes: int = 50
    """How many episodes."""
    policy: str = "random"
    """Who acts: random, or another actor of the task (push-t: play, demonstrations; a rope task: scripted, still; of
    your own Task those it names); or a policy: a run folder, a version or name of the registry, net.onnx, or
    file.py:NAME for your own."""
    seed: int = 0
    """Seed of the first episode; episode k has seed + k."""
    length: int | None = None
    """Most steps of an episode. Default: the task's own, else 200."""
    images: Images = "none"
    """Whether to store camera images, and how (png is lossless)."""
    vary: tuple[str, ...] = ()
    """Factors of variation to randomise in each episode."""
    name: str | None = None
    """Name of its family in the registry. Default: by world and folder."""
    at: At = Where()

    def __post_init__(self) -> None:
        _at_least_one(episodes=self.episodes, length=self.length)
        _seeds(self.seed, self.episodes)


@dataclass(frozen=True)
class Fit:
    """Learn a world model from a dataset, and examine it on held-out episodes.

    Not sure which model? The ensemble is the fastest, and it knows where it knows little. Where the future has several
    outcomes, such as a contact, take diffusion: it draws one of them. Where one observation does not show everything,
    take rssm: it remembers. Pictures need rssm or diffusion; rssm takes vectors beside them.
    """

    dataset: Positional[Path]
    """A LeRobot v3.0 or v2.1 dataset."""
    out: Path
    """The run folder. The same command continues an interrupted run."""
    size: Size = "s"
    """One dial for widths, learning rate and updates."""
    seed: int = 0
    """Seed of the initial weights and of the batches."""
    model: Model = "ensemble"
    """What to learn: an ensemble of networks (vectors), a recurrent state-space model (any mix of vectors and
    pictures), a diffusion model (vectors, or pictures), or a hybrid (Push-T's quasi-static physics and what it gets
    wrong)."""
    network: Network | None = None
    """Network of the diffusion model: mlp (default), transformer or reader for vectors, unet (default) or patches for
    pictures."""
    latent: bool = False
    """Of pictures, draw a tokenizer's codes in place of pixels (diffusion); the tokenizer learns in the same fit."""
    discrete: bool = False
    """Actions are scores for choices, as those of a Gymnasium Discrete: only the largest counts (rssm, diffusion)."""
    observations: tuple[str, ...] = ()
    """Which observations to model (column names without "observation."). Default: all vectors; all pictures where there
    are no vectors or the network is one for pictures."""
    updates: int | None = None
    """Gradient updates. Default: by size."""
    window: int | None = None
    """Steps of a training window. Default: by model (ensemble 4, rssm 16, diffusion 4, hybrid 1)."""
    name: str | None = None
    """Name of its family in the registry. Default: by world and folder."""
    at: At = Where()

    def __post_init__(self) -> None:
        _at_least_one(updates=self.updates, window=self.window)
        _seeds(self.seed)


@dataclass(frozen=True)
class Train:
    """Train a policy inside a learned world, from the dataset's real states, by first-order gradients.

    Any world of vectors will do; the policy cannot see pictures yet.
    """

    world: Positional[Path]
    """A world: the run folder of `diorama fit`, or its world/ folder."""
    dataset: Path
    """The dataset to take first states from."""
    out: Path
    """The run folder. The same command continues an interrupted run."""
    size: Size = "s"
    """One dial for the policy's width, worlds and updates."""
    seed: int = 0
    """Seed of the initial weights and of the imagined worlds."""
    updates: int | None = None
    """Policy updates. Default: by size."""
    name: str | None = None
    """Name of its family in the registry. Default: by world and folder."""
    at: At = Where()

    def __post_init__(self) -> None:
        _at_least_one(updates=self.updates)
        _seeds(self.seed)


@dataclass(frozen=True)
class Evaluate:
    """Test a policy in one or several worlds: one episode per seed, each to its end, every metric with its interval.

    Example: diorama evaluate runs/policy --in push-t,push-t-mujoco,runs/world --scenarios wide.json --protocol p.json
    """

    policy: Positional[str]
    """A policy: the run folder of `diorama train`, its policy/ folder, random or another actor of the task (play,
    demonstrations; scripted, still), net.onnx, file.py:Class, or a name or id of the registry."""
    env: str = "push-t"
    """A registered environment, gym:ID, or file.py:NAME (a class, or a Task that says what success is)."""
    worlds: Annotated[str, arg(name="in", metavar="WORLD,WORLD,...")] = ""
    """Worlds to test in, separated by commas, all on the same starts: the task itself (reality), other physics of it,
    run folders of fitted worlds, names or ids of the registry."""
    scenarios: str = ""
    """With --in: a scenario set, the file of `diorama scenarios` or its name in the registry. Default: the seeds from
    --seed on, nothing varied."""
    protocol: str = ""
    """With --in: a protocol, the file of `diorama protocol` or its name in the registry. Default: --episodes
    of them, all metrics at 95 %."""
    executor: Annotated[str, arg(metavar="here|processes:N|ray:N|...")] = "here"
    """With --in: where to work: here, processes:N, ray:N or ray:ADDRESS, dask:N or dask:ADDRESS, slurm:N."""
    items: Path | None = None
    """With --in: folder of finished work, so that nothing is done twice. Default: in the user's cache."""
    episodes: int = 100
    """How many episodes."""
    seed: int = 100_000
    """Seed of the first episode (Push-T's published test seeds start at 100000)."""
    length: int | None = None
    """Most steps of an episode. Default: the task's own; of a world that begins at a dataset, those of its longest
    episode, at most 200."""
    against: str | None = None
    """A second policy; both are run on the same seeds and their paired difference is printed."""
    out: Path | None = None
    """Where to write the scores as JSON."""
    world: Path | None = None
    """Test in this learned world instead: a run folder of `diorama fit`, or its world/ folder. Needs --dataset."""
    dataset: Path | None = None
    """The dataset to take first states from (with --world)."""
    at: At = Where()

    def __post_init__(self) -> None:
        _at_least_one(episodes=self.episodes, length=self.length)
        _seeds(self.seed, self.episodes)
        if self.worlds and self.world is not None:
            raise ConfigError("Name all worlds with --in; --world is for one world that starts from a dataset.")
        if not self.worlds and (self.scenarios or self.protocol or self.executor != "here" or self.items):
            raise ConfigError("--scenarios, --protocol, --executor and --items go with --in; say in which worlds.")
        if (self.world is None) != (self.dataset is None):
            raise ConfigError(
                "A learned world begins where real episodes began; give --world and --dataset, or neither."
            )


@dataclass(frozen=True)
class Run:
    """Run a whole loop: collect, fit, train in the learned world, evaluate in reality, and report.

    The same command continues an interrupted run.
    """

    task: Positional[Literal["push-t", "push-t-pixels"]]
    """The task. push-t-pixels: worlds and policy see pictures alone."""
    size: Size = "s"
    """One dial for data, model, policy and evaluation. nano: minutes, to see the loop; s: the default."""
    seed: int = 0
    """Seed of everything."""
    out: Path | None = None
    """The run folder. Default: runs/TASK-SIZE-SEED."""
    at: At = Where()

    def __post_init__(self) -> None:
        _seeds(self.seed)


@dataclass(frozen=True)
class Inspect:
    """Show what a dataset holds: features, episodes, statistics, identity."""

    dataset: Positional[Path]
    """A LeRobot v3.0 or v2.1 dataset."""


@dataclass(frozen=True)
class Check:
    """Check a dataset thoroughly; every finding names the fault and the mend. Exit code 1 where one is an error."""

    dataset: Positional[Path]
    """A LeRobot v3.0 or v2.1 dataset."""


@dataclass(frozen=True)
class Import:
    """Turn a Diffusion-Policy zarr, a robomimic HDF5 or one of the known .npz files into a LeRobot v3 dataset."""

    source: Positional[Path]
    """The file or folder to read."""
    out: Path
    """The dataset's folder; it must not exist."""
    format: Annotated[str | None, arg(metavar="NAME")] = None
    """The source's format. Default: found out from the file."""
    fps: float | None = None
    """Rows a second, where the source does not say."""
    task: str | None = None
    """What is done in the episodes. Default: by format."""
