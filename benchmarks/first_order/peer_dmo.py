"""The DMO recipe in torch, written from the paper (arXiv 2509.00215) without its GRU. Runs in ``.peer``.

Its official code is under a non-commercial licence and was not read. The surrogate is held still during the actor's
update, targets come from a slow critic, and each piece is batched over the worlds.
"""

import os
import sys
from typing import Any

import torch
from torch import nn
from turns import Job, serve
from work import (
    ACTION,
    BATCHES,
    CLIP,
    DISCOUNT,
    DMO_ACTOR,
    DMO_CRITIC,
    EFFORT,
    HORIZON,
    RATE,
    STATE,
    SURROGATE,
    TRACE,
    plant,
    starts,
)

COMPILED = "compiled" in sys.argv[1:]
torch.set_num_threads(len(os.sched_getaffinity(0)))


class Simplices(nn.Module):
    """SimNorm: a softmax in groups of 8."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[B, n]`` to ``[B, n]``."""
        return torch.softmax(x.unflatten(-1, (-1, 8)), -1).flatten(-2)


def perceptron(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear, ELU and norm, repeated; the last layer is linear."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ELU(), nn.LayerNorm(outputs)]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


class Recipe(nn.Module):
    """Surrogate, actor, critic and slow critic."""

    def __init__(self, worlds: int) -> None:
        super().__init__()
        wide = SURROGATE
        surrogate = [nn.Linear(STATE + ACTION, wide), Simplices(), nn.LayerNorm(wide), nn.Linear(wide, wide)]
        self.surrogate = nn.Sequential(*surrogate, nn.SiLU(), nn.LayerNorm(wide), nn.Linear(wide, 2 * STATE))
        self.surrogate.requires_grad_(False)
        self.actor = perceptron((STATE, *DMO_ACTOR, ACTION))
        self.log_std = nn.Parameter(torch.full((ACTION,), -1.0))
        self.critic, self.slow = (perceptron((STATE, *DMO_CRITIC, 1)) for _ in range(2))
        self.slow.load_state_dict(self.critic.state_dict())
        self.slow.requires_grad_(False)
        for name, matrix in zip(("drift", "push"), plant(), strict=True):
            self.register_buffer(name, torch.from_numpy(matrix.T.copy()))
        self.register_buffer("bank", torch.from_numpy(starts(worlds)))
        self.register_buffer("mean", torch.zeros(STATE))
        self.register_buffer("std", torch.ones(STATE))

    def imagine(self, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The actor's loss, the states ``[T + 1, B, n]`` and the rewards ``[T, B]``."""
        state, seen, rewards = self.bank, [self.bank], []
        for t in range(HORIZON):
            mean = self.actor((state - self.mean) / self.std)
            action = torch.tanh(mean + self.log_std.exp() * noise[t])
            with torch.no_grad():
                real = state @ self.drift + action @ self.push
            guess = state + self.surrogate(torch.cat([(state - self.mean) / self.std, action], -1))[:, :STATE]
            # The world's value, the surrogate's derivative.
            state = guess + (real - guess).detach()
            rewards.append(-state.square().mean(-1) - EFFORT * action.square().sum(-1))
            seen.append(state)
        reward = torch.stack(rewards)
        discount = DISCOUNT ** torch.arange(HORIZON)
        beyond = DISCOUNT**HORIZON * self.slow((state - self.mean) / self.std).squeeze(-1)
        gain = (discount[:, None] * reward).sum(0) + beyond
        return -gain.mean() / HORIZON, torch.stack(seen).detach(), reward.detach()

    @torch.no_grad()
    def targets(self, seen: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
        """TD(lambda) targets ``[T, B]``."""
        values = self.slow((seen[1:] - self.mean) / self.std).squeeze(-1)
        after, found = values[-1], []
        for t in reversed(range(HORIZON)):
            after = reward[t] + DISCOUNT * ((1 - TRACE) * values[t] + TRACE * after)
            found.append(after)
        return torch.stack(found[::-1])

    def value_loss(self, seen: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """The critic's squared error."""
        return (self.critic((seen - self.mean) / self.std).squeeze(-1) - wanted).square().mean()


def make(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update: the actor alone, or the actor and then the critic."""
    recipe, worlds = Recipe(asked["worlds"]), asked["worlds"]
    of_actor = [*recipe.actor.parameters(), recipe.log_std]
    of_critic = list(recipe.critic.parameters())
    for_actor, for_critic = (torch.optim.Adam(p, RATE, (0.7, 0.95), fused=True) for p in (of_actor, of_critic))
    imagine = torch.compile(recipe.imagine) if COMPILED else recipe.imagine
    value_loss = torch.compile(recipe.value_loss) if COMPILED else recipe.value_loss

    def improve() -> tuple[torch.Tensor, torch.Tensor]:
        for_actor.zero_grad(set_to_none=True)
        loss, seen, reward = imagine(torch.randn(HORIZON, worlds, ACTION))
        loss.backward()
        nn.utils.clip_grad_norm_(of_actor, CLIP)
        for_actor.step()
        return seen, reward

    def job() -> None:
        seen, reward = improve()
        if asked["part"] == "actor":
            return
        wanted, seen = recipe.targets(seen, reward).flatten(), seen[:-1].flatten(0, 1)
        for rows in torch.randperm(len(wanted)).chunk(BATCHES):
            for_critic.zero_grad(set_to_none=True)
            value_loss(seen[rows], wanted[rows]).backward()
            nn.utils.clip_grad_norm_(of_critic, CLIP)
            for_critic.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(recipe.slow.parameters()), of_critic, 0.8)

    trained = of_actor + (of_critic if asked["part"] != "actor" else [])
    return job, {"parameters": sum(p.numel() for p in trained)}


if __name__ == "__main__":
    serve(make)
