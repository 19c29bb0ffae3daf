"""imgeorgiev/PWM: its own class, model, actor and critics, with its published configuration. Runs in ``.peer``.

The folder with its source is the first argument. Without an environment its ``compute_actor_loss`` imagines in its
world model alone. One pass over what was imagined, in place of its eight, trains the critics, as on our side.
"""

import os
import sys
import tempfile
import types
from typing import Any

import torch
from omegaconf import OmegaConf
from torch.nn.utils.clip_grad import clip_grad_norm_
from turns import Job, serve
from work import ACTION, BATCHES, CLIP, DISCOUNT, HORIZON, LATENT, PWM_CRITICS, STATE, TRACE, starts

HOME = sys.argv[1]
sys.path.insert(0, f"{HOME}/src")
# Imported by its algorithm and not used here: a logger, the type of its environment, and a replay buffer.
sys.modules["wandb"] = types.SimpleNamespace()
sys.modules["gym"] = types.SimpleNamespace(Env=object)
sys.modules["torchrl.data.replay_buffers"] = types.SimpleNamespace(ReplayBuffer=None, LazyTensorStorage=None)
sys.modules["torchrl.data.replay_buffers.samplers"] = types.SimpleNamespace(SliceSampler=lambda **_: None)
from pwm.algorithms.pwm import PWM  # noqa: E402
from pwm.utils.dataset import CriticDataset  # noqa: E402

torch.set_num_threads(len(os.sched_getaffinity(0)))
NAMES = ("actor_config", "critic_config", "world_model_config", "actor_grad_norm", "critic_grad_norm")
MORE = ("actor_lr", "critic_lr", "model_lr", "rew_rms", "ret_rms", "detach")


def make(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update: the actor alone, or the actor and then the critics."""
    file = OmegaConf.load(f"{HOME}/scripts/cfg/alg/pwm.yaml")
    with tempfile.TemporaryDirectory() as folder:
        agent = PWM(
            env=None,
            horizon=HORIZON,
            max_epochs=1,
            logdir=folder,
            latent_dim=LATENT,
            obs_dim=STATE,
            act_dim=ACTION,
            num_critics=PWM_CRITICS,
            gamma=DISCOUNT,
            lam=TRACE,
            critic_batches=BATCHES,
            wm_buffer_size=1000,
            device="cpu",
            **{name: file[name] for name in (*NAMES, *MORE)},
        )
    agent.step_count = 0
    bank = torch.from_numpy(starts(asked["worlds"]))

    def improve() -> None:
        agent.actor_optimizer.zero_grad()
        agent.compute_actor_loss(bank).backward()
        clip_grad_norm_(agent.actor.parameters(), CLIP)
        agent.actor_optimizer.step()

    def criticise() -> None:
        agent.compute_target_values()
        size = asked["worlds"] * HORIZON // BATCHES
        batches = CriticDataset(size, agent.obs_buf, agent.target_values, shuffle=True)
        for k in range(len(batches)):
            agent.critic_optimizer.zero_grad()
            agent.compute_critic_loss(batches[k]).backward()
            clip_grad_norm_(agent.critic.parameters(), agent.critic_grad_norm)
            agent.critic_optimizer.step()

    def job() -> None:
        improve()
        if asked["part"] != "actor":
            criticise()

    trained = list(agent.actor.parameters()) + (list(agent.critic.parameters()) if asked["part"] != "actor" else [])
    return job, {"parameters": sum(p.numel() for p in trained)}


if __name__ == "__main__":
    serve(make)
