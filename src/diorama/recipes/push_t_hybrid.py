"""The hybrid world of Push-T: quasi-static pushing, calibrated, plus a learned residual."""

from pathlib import Path

from diorama.core import Env, EnvSpec, WorldModel
from diorama.core.artifact import load_artifact, save_artifact
from diorama.core.env import Observation, State
from diorama.envs.pusht.interface import Absolute, Interface, Relative
from diorama.envs.pusht_quasistatic import Parameters, QuasiStaticPushT
from diorama.models.artifact import BUILDERS
from diorama.models.residual import Residual, ResidualConfig, Simulated, residual_builder
from diorama.recipes.presets import PUSH_T, QUASI_STATIC


def hybrid_config(size: str = "s") -> ResidualConfig:
    """The configuration of Push-T's hybrid: its networks see the tee in the tee's own frame."""
    return ResidualConfig(size, QUASI_STATIC, PUSH_T.body)


def hybrid(config: ResidualConfig, spec: EnvSpec, seed: int = 0, parameters: Parameters | None = None) -> Residual:
    """An untrained hybrid over ``features``; ``parameters`` of its physics as `identify` found them."""
    return Residual.build(config, spec, seed, quasi_static(spec, parameters))


def quasi_static(spec: EnvSpec, parameters: Parameters | None = None) -> Simulated:
    """The quasi-static Push-T that shows what ``spec`` names, as the physics of a residual model."""
    return Simulated(QuasiStaticPushT(interface_of(spec), tuple(spec.observation), parameters), _state_of)


def interface_of(spec: EnvSpec) -> Interface:
    """Push-T's interface with the control period of this spec."""
    return Relative() if abs(spec.control_period - Relative().control_period) < 1e-6 else Absolute()


def load_hybrid(folder: str | Path) -> WorldModel:
    """Read any model, a hybrid of Push-T too; see `load_artifact` for the errors."""
    return load_artifact(folder, {**BUILDERS, "residual": residual_builder({QUASI_STATIC: quasi_static})})


def save_hybrid(folder: str | Path, model: Residual, config: ResidualConfig) -> Path:
    """Write a hybrid and its configuration as an artifact; the physics' parameters are among its weights."""
    return save_artifact(folder, model, kind="residual", config=config, spec=model.spec)


def _state_of(env: Env, observation: Observation) -> State:
    return env.seen_at(observation)
