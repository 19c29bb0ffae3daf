"""NM512/r2dreamer's world model with ``rep_loss: dreamer``: its encoder, RSSM, decoder and heads. Runs in ``.peer``.

The folder with its source is the first argument. Its loss is put together here from its own parts, as in the world
model part of its ``Dreamer._cal_grad``, because that method computes the actor and the critic in one go with it.
float32, as everywhere; its mixed precision needs a GPU.
"""

import os
import sys
import types
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from turns import Job, serve
from work import ACTION, BATCH, CLIP, FREE_NATS, HORIZON, RATE, REPRESENTATION, SIDE, STATE, TIME, data, widths

HOME = Path(sys.argv[1])
COMPILED = "compiled" in sys.argv[2:]
sys.path.insert(0, str(HOME))
# Its `tools` imports a logger that nothing here needs.
sys.modules["torch.utils.tensorboard"] = types.SimpleNamespace(SummaryWriter=None)
import networks  # noqa: E402
import rssm  # noqa: E402

torch.set_num_threads(len(os.sched_getaffinity(0)))


def settings(asked: dict[str, Any]) -> Any:
    """Its model's configuration file, with the widths of the question."""
    size = widths(asked)
    model = OmegaConf.load(HOME / "configs" / "model" / "_base_.yaml")
    named = {"deter": size.state, "hidden": size.hidden, "discrete": size.classes, "depth": size.depth}
    model = OmegaConf.merge(model, named, {"units": size.units, "act": "SiLU", "norm": True})
    keys = {"mlp_keys": "vector", "cnn_keys": "image"}
    root = OmegaConf.create({"device": "cpu", "model": model, "env": {"encoder": keys, "decoder": keys}})
    return root.model


class WorldModel(torch.nn.Module):
    """Its parts, and the loss that its agent makes of them."""

    def __init__(self, asked: dict[str, Any]) -> None:
        super().__init__()
        config = settings(asked)
        shapes = {"image": (SIDE, SIDE, 3)} if asked["camera"] else {"vector": (STATE,)}
        self.encoder = networks.MultiEncoder(config.encoder, shapes)
        self.rssm = rssm.RSSM(config.rssm, self.encoder.out_dim, ACTION)
        self.reward = networks.MLPHead(config.reward, self.rssm.feat_size)
        self.cont = networks.MLPHead(config.cont, self.rssm.feat_size)
        self.decoder = networks.MultiDecoder(config.decoder, self.rssm._deter, self.rssm.flat_stoch, shapes)
        config.actor.shape, config.actor.dist = (ACTION,), config.actor.dist.cont
        self.actor = networks.MLPHead(config.actor, self.rssm.feat_size)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of its world model."""
        seen = {name: batch[name] for name in ("vector", "image") if name in batch}
        if "image" in seen:
            seen["image"] = seen["image"].float() / 255.0
        embed = self.encoder(seen)
        stoch, deter, post = self.rssm.observe(embed, batch["action"], self.rssm.initial(BATCH), batch["is_first"])
        _, prior = self.rssm.prior(deter)
        dynamics, representation = self.rssm.kl_loss(post, prior, FREE_NATS)
        features = self.rssm.get_feat(stoch, deter)
        errors = [-d.log_prob(seen[name]).mean() for name, d in self.decoder(stoch, deter).items()]
        reward = -self.reward(features).log_prob(batch["reward"]).mean()
        cont = -self.cont(features).log_prob(batch["cont"]).mean()
        return sum(errors) + reward + cont + dynamics.mean() + REPRESENTATION * representation.mean()

    def imagine(self, stoch: torch.Tensor, deter: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Its agent's imagination with the reward and the continuation of each imagined state."""
        seen = []
        for _ in range(HORIZON):
            action = self.actor(self.rssm.get_feat(stoch, deter)).rsample()
            stoch, deter = self.rssm.img_step(stoch, deter, action)
            seen.append(self.rssm.get_feat(stoch, deter))
        features = torch.stack(seen, dim=1)
        return features, self.reward(features).mode(), self.cont(features).mean


def update(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update of the world model: loss, gradient, clipping, AdamW (torch's fused one)."""
    model, batch = WorldModel(asked), {name: torch.from_numpy(array) for name, array in data(asked["camera"]).items()}
    batch["reward"] = batch["reward"][..., None]
    batch["cont"] = torch.ones_like(batch["reward"])
    batch["is_first"] = torch.zeros((BATCH, TIME), dtype=torch.bool)
    batch["is_first"][:, 0] = True
    trained = [p for name, p in model.named_parameters() if not name.startswith("actor")]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=1e-4, fused=True)
    loss = torch.compile(model) if COMPILED else model

    def job() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()

    return job, count(model)


def imagine(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Imagination from every state of a batch."""
    model = WorldModel(asked)
    start = model.rssm.initial(BATCH * TIME)
    run = torch.compile(model.imagine) if COMPILED else model.imagine

    def job() -> None:
        with torch.no_grad():
            run(*start)

    return job, count(model)


def count(model: torch.nn.Module) -> dict[str, Any]:
    """The number of parameters of its world model."""
    return {"parameters": sum(p.numel() for name, p in model.named_parameters() if not name.startswith("actor"))}


if __name__ == "__main__":
    serve(lambda asked: {"update": update, "imagine": imagine}[asked["job"]](asked))
