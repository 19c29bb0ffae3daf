"""The configuration of coupled global and local worlds. JAX-free."""

from dataclasses import dataclass, replace

from diorama.core.errors import ConfigError
from diorama.learn.config import FirstOrderConfig
from diorama.recipes.config import PolicyConfig, WorldConfig


@dataclass(frozen=True)
class CoupledConfig:
    """Play, fit a global and a local world, train between them, deploy, add what happened, and go on.

    ``play``: (actor, episodes) to begin with. ``patches``: how often the policy is deployed in reality and its episodes
    are added to the data; ``patch_episodes`` of them each time, half of them with exploring actions. ``world``: the
    global world, that is rolled out and never differentiated; ``local``: the light one that lends its derivatives.
    ``refit``: the share of the updates and of the learning rate with which the worlds go on after a patch. ``policy``:
    one round of training; there are ``patches + 1``. ``closing``: the updates of the last round, None for as many as
    the others. ``critics``: how many. ``ends``: whether imagined worlds end.
    """

    task: str
    size: str
    seed: int
    play: tuple[str, int]
    world: WorldConfig
    local: WorldConfig
    policy: PolicyConfig
    patches: int
    patch_episodes: int
    episodes: int
    refit: float = 0.5
    critics: int = 2
    ends: bool = True
    closing: int | None = None

    def __post_init__(self) -> None:
        if self.patches < 0 or self.patch_episodes < 2 or not 0.0 < self.refit <= 1.0:
            raise ConfigError(
                "CoupledConfig needs patches >= 0, patch_episodes >= 2 and refit above 0 and at most 1, not "
                f"{self.patches}, {self.patch_episodes} and {self.refit}."
            )
        if self.closing is not None and self.closing < 1:
            raise ConfigError(f"CoupledConfig.closing is {self.closing}; give at least 1 update, or None.")

    @property
    def rounds(self) -> int:
        """How often the policy is trained."""
        return self.patches + 1

    @property
    def samples(self) -> int:
        """Imagined steps in all rounds."""
        return self.spent(self.patches)

    def training(self, number: int) -> FirstOrderConfig:
        """How the policy of a round is trained."""
        train = self.policy.train
        updates = self.closing if self.closing is not None and number == self.patches else train.updates
        return replace(train, updates=updates, seed=train.seed + number)

    def spent(self, number: int) -> int:
        """Imagined steps when this round has ended."""
        rounds = (self.training(k) for k in range(number + 1))
        return sum(each.updates * each.worlds * each.horizon for each in rounds)

    def refitted(self, config: WorldConfig) -> WorldConfig:
        """How a world goes on after a patch."""
        fit = config.fit
        updates, rate = max(round(self.refit * fit.updates), 1), self.refit * fit.learning_rate
        return replace(config, fit=replace(fit, updates=updates, learning_rate=rate))
