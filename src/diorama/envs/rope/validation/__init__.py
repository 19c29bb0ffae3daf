"""Cases with known answers: closed forms of the elastica, of stability, of vibration, of friction.

Each case is a function of no arguments that returns its `Result` rows; they need float64. Numbers and formulas: Love
1927; Bisshopp and Drucker 1945; Timoshenko and Gere 1961; Goriely 2006 (J. Elasticity 84) for Michell's ring.
"""

from collections.abc import Callable

from diorama.envs.rope.validation.bodies import BODY_CASES
from diorama.envs.rope.validation.contact import CONTACT_CASES
from diorama.envs.rope.validation.coupling import COUPLING_CASES
from diorama.envs.rope.validation.holding import HOLDING_CASES
from diorama.envs.rope.validation.implicit import IMPLICIT_CASES
from diorama.envs.rope.validation.motion import MOTION_CASES
from diorama.envs.rope.validation.result import Result
from diorama.envs.rope.validation.rubbing import RUBBING_CASES
from diorama.envs.rope.validation.stability import STABILITY_CASES
from diorama.envs.rope.validation.static import STATIC_CASES

CASES: dict[str, Callable[[], list[Result]]] = (
    STATIC_CASES
    | STABILITY_CASES
    | MOTION_CASES
    | CONTACT_CASES
    | COUPLING_CASES
    | IMPLICIT_CASES
    | BODY_CASES
    | RUBBING_CASES
    | HOLDING_CASES
)
"""All cases by name."""

__all__ = ["CASES", "Result"]
