"""How much of everything, and which seeds are for what. Nothing that learns sees a seed from 900000 on."""

from dataclasses import dataclass

TASK, TOUCHING = "rope-separation", "rope-gathering"
"""The task that a policy is trained for, and the one whose episodes are parted by whether objects were touched."""
DATA_SEED, FRESH_SEED, TEST_SEED = 0, 900_000, 950_000
"""First seeds of the data, of the exams on fresh episodes, and of the tests of policies."""
OBSERVATIONS = ("vertices", "goal")
"""What worlds model; velocities and the time besides made the error at the end larger (see the lab book)."""
FACTORS = ("stiffness", "mass", "friction")


@dataclass(frozen=True)
class Settings:
    """``size``: of worlds and policies, as `diorama fit --size`. ``updates``: of a fit, of a training; None: by size.

    Episodes: ``data`` to learn from in each task, ``fresh`` for the exam and for each varied factor, ``touching`` for
    the exam of the second task, ``test`` starts for each policy. ``policies``: how many are trained, by seed.
    """

    size: str
    data: int
    fresh: int
    touching: int
    test: int
    policies: int
    models: tuple[str, ...] = ("ensemble", "diffusion")
    updates: tuple[int | None, int | None] = (None, None)


SETTINGS = {
    "test": Settings("nano", 24, 12, 12, 4, 1, updates=(40, 20)),
    "nano": Settings("nano", 400, 96, 128, 100, 2, updates=(800, 1000)),
    "xs": Settings("xs", 1600, 200, 400, 200, 5),
}
