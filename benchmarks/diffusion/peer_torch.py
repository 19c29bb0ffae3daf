"""DIAMOND's U-Net, denoiser and sampler, and the same multi-layer perceptron as ours, in torch. Runs in ``.peer``.

Arguments: the folder of eloialonso/diamond, and ``eager``, ``channels-last`` or ``compiled``. Its ``data`` and
``utils`` import a training stack that nothing here needs; two empty modules stand in for them.
"""

import math
import os
import sys
import types
from pathlib import Path
from statistics import NormalDist
from typing import Any

import torch
from torch.nn import functional
from turns import Job, serve
from work import ACTION, CHOICES, CHUNK, CONTEXT, HIDDEN, RATE, STATE, STEPS, WAVES, of

sys.path.insert(0, str(Path(sys.argv[1]) / "src"))
sys.modules["data"] = types.SimpleNamespace(Batch=Any)
sys.modules["utils"] = types.SimpleNamespace(LossAndLogs=Any)
from models.diffusion import (  # noqa: E402
    Denoiser,
    DenoiserConfig,
    DiffusionSampler,
    DiffusionSamplerConfig,
    InnerModelConfig,
    SigmaDistributionConfig,
)

VARIANT = sys.argv[2]
DATA = 0.5
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(0)


class Perceptron(torch.nn.Module):
    """What `diorama.models.diffusion.mlp` does, with EDM's scaling around it, on batches of states."""

    def __init__(self) -> None:
        super().__init__()
        inputs = STATE + WAVES + CONTEXT * (STATE + ACTION) + CONTEXT
        sizes = [inputs, *HIDDEN]
        layers: list[torch.nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [torch.nn.Linear(before, after), torch.nn.SiLU()]
        self.network = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], STATE))
        self.skip = torch.nn.Linear(inputs, STATE, bias=False)
        half = WAVES // 2
        quantiles = [0.5 + 0.5 * (i + 0.5) / half for i in range(half)]
        self.register_buffer("waves", torch.tensor([2 * math.pi * NormalDist().inv_cdf(q) for q in quantiles]))

    def forward(self, noisy: torch.Tensor, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Scaled noisy states ``[B, O]``, noise ``[B]`` and context ``[B, n]``."""
        angle = noise[:, None] * self.waves
        inputs = torch.cat([noisy, angle.sin(), angle.cos(), context], dim=1)
        return self.network(inputs) + self.skip(inputs)


def scaled(sigma: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """``c_skip``, ``c_out``, ``c_in``, ``c_noise`` of EDM for levels ``[B]``."""
    total = (sigma**2 + DATA**2).sqrt()
    return (DATA / total) ** 2, sigma * DATA / total, 1 / total, sigma.log() / 4


def context_of(seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """The newest state, the changes that led to it, the actions, and a flag for each."""
    changes = seen.diff(dim=1).flatten(1)
    return torch.cat([seen[:, -1], changes, action.flatten(1), torch.ones(len(seen), CONTEXT)], dim=1)


def levels() -> torch.Tensor:
    """The noise levels of a draw (EDM, equation 5), then 0."""
    low, high = 2e-3 ** (1 / 7), 5.0 ** (1 / 7)
    return torch.cat([(high + torch.linspace(0, 1, STEPS) * (low - high)) ** 7, torch.zeros(1)])


def states(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Draws or updates of the perceptron."""
    model, given = Perceptron(), {name: torch.from_numpy(array) for name, array in of(asked).items()}
    network, falling = torch.compile(model) if VARIANT == "compiled" else model, levels()
    seen, following, action = given["seen"][:, :-1], given["seen"][:, -1], given["action"]
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)

    def sample() -> None:
        with torch.no_grad():
            context, value = context_of(seen, action), falling[0] * torch.randn(len(seen), STATE)
            for sigma, after in zip(falling[:-1], falling[1:], strict=True):
                skip, out, into, noise = scaled(sigma)
                clean = skip * value + out * network(into * value, noise.expand(len(seen)), context)
                value = value + (after - sigma) * (value - clean) / sigma
            _ = seen[:, -1] + value / DATA

    def train() -> None:
        for _ in range(CHUNK):
            value = DATA * (following - seen[:, -1])
            sigma = (torch.randn(len(seen)) * 1.2 - 0.4).exp().clip(2e-3, 20.0)
            skip, out, into, noise = (part[:, None] for part in scaled(sigma))
            noisy = value + sigma[:, None] * torch.randn_like(value)
            said = network(into * noisy, noise[:, 0], context_of(seen, action))
            optimiser.zero_grad(set_to_none=True)
            functional.mse_loss(said, (value - skip * noisy) / out).backward()
            optimiser.step()

    return {"sample": sample, "train": train}[asked["job"]], count(model)


def pictures(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Draws or updates of DIAMOND's denoiser, by its own sampler and loss."""
    depths, channels = asked["depths"], asked["channels"]
    inner = InnerModelConfig(3, CONTEXT, 256, depths, channels, [False] * len(depths), CHOICES)
    model = Denoiser(DenoiserConfig(inner, DATA, 0.3))
    model.setup_training(SigmaDistributionConfig(-0.4, 1.2, 2e-3, 20.0))
    given = of(asked)
    seen = torch.from_numpy(given["seen"]).permute(0, 1, 4, 2, 3).float().div(127.5).sub(1).contiguous()
    action = torch.from_numpy(given["action"]).argmax(-1)
    if VARIANT == "channels-last":
        model = model.to(memory_format=torch.channels_last)
    parameters = count(model)
    if VARIANT == "compiled":
        model.inner_model.forward = torch.compile(model.inner_model.forward)
    sampler = DiffusionSampler(model, DiffusionSamplerConfig(STEPS))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    mask = torch.ones(seen.shape[:2], dtype=torch.bool)
    batch = types.SimpleNamespace(obs=seen, act=torch.cat([action, action[:, :1]], dim=1), mask_padding=mask)

    def sample() -> None:
        sampler.sample(seen[:, :-1], action)

    def train() -> None:
        for _ in range(CHUNK):
            optimiser.zero_grad(set_to_none=True)
            model(batch)[0].backward()
            optimiser.step()

    return {"sample": sample, "train": train}[asked["job"]], parameters


def count(model: torch.nn.Module) -> dict[str, Any]:
    """The number of trained parameters."""
    return {"parameters": sum(p.numel() for p in model.parameters())}


if __name__ == "__main__":
    serve(lambda asked: (pictures if asked["side"] else states)(asked))
