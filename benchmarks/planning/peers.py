"""The peers' planners in PyTorch over the same latent world. Runs in the peers' environment; see `serving.py`.

stable-worldmodel's solvers are run as they are installed. Of TD-MPC2 its own ``TDMPC2._plan`` is run from a checkout
(environment variable TDMPC2): only its network and its configuration are replaced by the shared ones.
"""

import os
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving import Bench, serve, take_cores

CORES = take_cores()

import numpy as np  # noqa: E402 (the cores come first)
import torch  # noqa: E402
from settings import ACTION, HEADS, SETTINGS, SIMPLEX, Setting, known_plans  # noqa: E402

torch.set_num_threads(CORES)
warnings.filterwarnings("ignore")


class SimNorm(torch.nn.Module):
    """Softmax in groups."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Groups that sum to 1."""
        return torch.softmax(x.view(*x.shape[:-1], -1, SIMPLEX), dim=-1).view(*x.shape)


def network(arrays: dict[str, np.ndarray], head: str) -> torch.nn.Sequential:
    """Linear, layer normalisation, Mish, twice, then linear; the dynamics end with layer normalisation and SimNorm."""
    layers: list[torch.nn.Module] = []
    for layer in range(3):
        weight = torch.tensor(arrays[f"{head}.{layer}.weight"])
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = weight, torch.tensor(arrays[f"{head}.{layer}.bias"])
        layers.append(linear)
        if layer < 2:
            layers += [torch.nn.LayerNorm(weight.shape[0]), torch.nn.Mish()]
    end = [torch.nn.LayerNorm(HEADS[head]), SimNorm()] if head == "dynamics" else []
    return torch.nn.Sequential(*layers, *end).requires_grad_(False)


class Model(torch.nn.Module):
    """The latent world as stable-worldmodel's solvers (``get_cost``) and TD-MPC2 (the rest) ask for it."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleDict({head: network(arrays, head) for head in HEADS})
        self.counted, self.rows = False, 0

    def get_cost(self, info_dict: dict[str, torch.Tensor], action_candidates: torch.Tensor) -> torch.Tensor:
        """Minus the imagined return of candidates ``[B, S, T, A]`` from ``info_dict["z"]`` ``[B, S, Z]``."""
        worlds, samples, horizon, _ = action_candidates.shape
        z = info_dict["z"].reshape(worlds * samples, -1)
        plans = action_candidates.reshape(worlds * samples, horizon, -1)
        total = 0
        for t in range(horizon):
            total = total + self.reward(z, plans[:, t], None)
            z = self.next(z, plans[:, t], None)
        return -(total + self.networks["value"](z)).reshape(worlds, samples)

    def count(self, plan: Callable[[], Any]) -> int:
        """How many steps of the network happen in ``plan``."""
        self.counted, self.rows = True, 0
        plan()
        self.counted = False
        return self.rows

    def encode(self, obs: torch.Tensor, task: None) -> torch.Tensor:
        """The observation is the latent."""
        return obs

    def next(self, z: torch.Tensor, a: torch.Tensor, task: None) -> torch.Tensor:
        """The next latent."""
        if self.counted:  # a number that always changes would make torch.compile start anew at every plan
            self.rows += len(z)
        return self.networks["dynamics"](torch.cat([z, a], dim=-1))

    def reward(self, z: torch.Tensor, a: torch.Tensor, task: None) -> torch.Tensor:
        """The reward head, ``[N, 1]``."""
        return self.networks["reward"](torch.cat([z, a], dim=-1))

    def pi(self, z: torch.Tensor, task: None) -> tuple[None, None]:
        """No policy prior: neither side has one here."""
        return None, None

    def Q(self, z: torch.Tensor, a: None, task: None, return_type: str) -> torch.Tensor:  # noqa: N802 (its name there)
        """The value head, ``[N, 1]``."""
        return self.networks["value"](z)


def swm_solver(name: str, setting: Setting, model: Model, rounds: int) -> Any:
    """One of stable-worldmodel's solvers at the setting's budget."""
    import gymnasium
    from stable_worldmodel import PlanConfig, solver

    kind = getattr(solver, name.split()[1].rstrip(","))
    common = {"num_samples": setting.samples, "n_steps": rounds, "batch_size": setting.worlds}
    if setting.planner == "gradient":
        made = kind(model, optimizer_cls=torch.optim.Adam, optimizer_kwargs={"lr": 0.1}, **common)
    else:
        made = kind(model, topk=setting.elites, **common)
    space = gymnasium.spaces.Box(-1.0, 1.0, (setting.worlds, ACTION), np.float32)
    config = PlanConfig(horizon=setting.horizon, receding_horizon=1)
    made.configure(action_space=space, n_envs=setting.worlds, config=config)
    return made


class StableWorldmodel:
    """A solver of stable-worldmodel, warm-started with its last plan as its policy does."""

    def __init__(self, name: str, setting: Setting, arrays: dict[str, np.ndarray]) -> None:
        self.name, self.setting, self.model = name, setting, Model(arrays)
        self.solver = swm_solver(name, setting, self.model, setting.rounds)
        self.info = {"z": torch.tensor(arrays["start"]).expand(setting.worlds, -1)}
        self.last: torch.Tensor | None = None

    def plan(self) -> None:
        """Plan once, to the end."""
        last = self.solver.solve(self.info, init_action=self.last)["actions"]
        self.last = last[:, 1:].detach().clone()

    def scores(self) -> list[float]:
        """The imagined returns of the known plans."""
        plans = torch.tensor(known_plans(self.setting))[None]
        z = self.info["z"][:1, None].expand(1, plans.shape[1], -1)
        return (-self.model.get_cost({"z": z}, plans))[0].tolist()

    def steps(self) -> int:
        """How many steps of the network one plan of two rounds imagines."""
        solver = swm_solver(self.name, self.setting, self.model, 2)
        return self.model.count(lambda: solver.solve(self.info))


def tdmpc2_class() -> type:
    """``TDMPC2`` of a checkout. Stand-ins replace the two modules that make its network, which is not used."""
    home = Path(os.environ["TDMPC2"]) / "tdmpc2"
    sys.path.insert(0, str(home))
    for module, name in (("common.world_model", "WorldModel"), ("common.layers", "api_model_conversion")):
        sys.modules[module] = types.ModuleType(module)
        setattr(sys.modules[module], name, None)
    from tdmpc2 import TDMPC2

    return TDMPC2


class TDMPC2Plan:
    """TD-MPC2's own ``_plan``; the shared network, no policy prior, its settings for the rest."""

    def __init__(self, name: str, setting: Setting, arrays: dict[str, np.ndarray]) -> None:
        self.setting, self.model = setting, Model(arrays)
        kind = tdmpc2_class()
        self.agent = kind.__new__(kind)
        torch.nn.Module.__init__(self.agent)
        self.agent.cfg = self.config(setting.rounds)
        self.agent.device, self.agent.model, self.agent.discount = torch.device("cpu"), self.model, 1.0
        self.agent._prev_mean = torch.zeros(setting.horizon, ACTION)
        self.obs = torch.tensor(arrays["start"])[None]
        self.run = torch.compile(self.agent._plan) if name.endswith("torch.compile") else self.agent._plan

    def config(self, rounds: int) -> types.SimpleNamespace:
        """Its configuration as far as the planner reads it."""
        budget = {"num_samples": self.setting.samples, "num_elites": self.setting.elites, "iterations": rounds}
        off = {"num_pi_trajs": 0, "multitask": False, "episodic": False, "num_bins": 0}
        more = {"min_std": 0.05, "max_std": 2.0, "temperature": 0.5, "action_dim": ACTION}
        return types.SimpleNamespace(horizon=self.setting.horizon, **budget, **off, **more)

    def plan(self) -> None:
        """Plan once, to the end."""
        self.run(self.obs)

    def scores(self) -> list[float]:
        """The imagined returns of the known plans."""
        plans = torch.tensor(known_plans(self.setting)).transpose(0, 1)
        self.agent.cfg.num_samples = plans.shape[1]
        found = self.agent._estimate_value(self.obs.repeat(plans.shape[1], 1), plans, None)[:, 0].tolist()
        self.agent.cfg.num_samples = self.setting.samples
        return found

    def steps(self) -> int:
        """How many steps of the network one plan of two rounds imagines."""
        self.agent.cfg.iterations = 2
        steps = self.model.count(lambda: self.agent._plan(self.obs))
        self.agent.cfg.iterations = self.setting.rounds
        return steps


def make(name: str, setting: str) -> Bench:
    """The peer called ``name`` at a setting."""
    kind = TDMPC2Plan if name.startswith("TD-MPC2") else StableWorldmodel
    return kind(name, SETTINGS[setting], LOADED)


if __name__ == "__main__":
    LOADED = dict(np.load(sys.argv[1]))
    serve(make)
