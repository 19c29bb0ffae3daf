"""Build, save and load every kind of world model, also hybrids, whose physics `models` may not name."""

from functools import partial

from diorama.models import artifact
from diorama.models.residual import residual_builder
from diorama.recipes.presets import QUASI_STATIC
from diorama.recipes.push_t_hybrid import quasi_static

BUILDERS = artifact.BUILDERS | {"residual": residual_builder({QUASI_STATIC: quasi_static})}
"""Kind to its builder, as in `diorama.models.artifact`."""
build = partial(artifact.build, builders=BUILDERS)
"""See `diorama.models.artifact.build`."""
save = partial(artifact.save, builders=BUILDERS)
"""See `diorama.models.artifact.save`."""
load = partial(artifact.load, builders=BUILDERS)
"""See `diorama.models.artifact.load`."""
kind_of = partial(artifact.kind_of, builders=BUILDERS)
"""See `diorama.models.artifact.kind_of`."""
