"""Train the demo model: ``python -m training.train --out demo.safetensors --steps 4800``.

Every step is seeded by ``(seed, step)``, so a resumed run sees the same crops and phrases as an
uninterrupted one.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from open_clip.model import CLIP
from torch import Tensor

from training.checkpoint import averaged_copy, export_model, load_state, save_state
from training.data import COLOUR_SLOTS, Batch, draw_batch, patch_targets, word_weights
from training.lexicon import COLOURS, load_lexicon
from training.model import ModelConfig, build_model, image_features, text_features
from training.pool import HELD_OUT, WORDS, Pool, load_pool
from training.scenes import WORLDS
from training.text import Candidates, TokenRows, draw_candidates, draw_caption
from training.validation import summarise, validate

MAX_LOGIT_SCALE = math.log(50.0)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that determines the outcome of a run.

    ``steps`` sets the schedule. Every ``large_every``-th step and the last ``large_share`` of all
    steps use whole 224 px windows in batches of ``large_batch`` instead of ``side`` px crops in
    batches of ``batch``, which costs the same. During the first ``plain_share`` of the steps the
    phrases grow from plain names to the full mixture: so the image tower gets going sooner.
    """

    steps: int = 4800
    seed: int = 0
    batch: int = 48
    side: int = 112
    large_share: float = 0.2
    large_every: int = 8
    large_batch: int = 12
    plain_share: float = 0.2
    learning_rate: float = 1e-3
    matrix_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.02
    caption_weight: float = 0.1
    captions: int = 16
    token_drop: float = 0.01
    average: float = 0.998
    scenes: int = 800
    model: ModelConfig = field(default_factory=ModelConfig)


@dataclass(frozen=True)
class Inputs:
    """What one step works on, and the random numbers that it goes on with."""

    batch: Batch
    candidates: Candidates
    rng: np.random.Generator


class Trainer:
    """Owns the network, its optimisers and the weights' running average.

    Parameters
    ----------
    config : TrainConfig
        What to train.
    pools : sequence of Pool
        Training scenes, one pool per world.
    device : str
        Where the network runs; crops and phrases are always drawn on the CPU.
    """

    def __init__(self, config: TrainConfig, pools: Sequence[Pool], device: str = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        self.pools = pools
        self.worlds = [pool.world for pool in pools]
        self.rows = TokenRows()
        self.coloured = colours_of(pools)
        self.weights = word_weights(pools, config.seed)
        # Built on the CPU, so that it starts from the same weights everywhere.
        model = build_model(config.model, self.rows.unknown + 1, config.seed)
        self.model: CLIP = model.to(self.device)
        self.parameters = dict(self.model.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.optimisers = build_optimisers(self.parameters, config)
        self.step = 0
        self._drawer = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Inputs]] | None = None

    def train_step(self) -> dict[str, float]:
        """Do one optimiser step and return its loss and patch accuracy."""
        drawn, self._next = self._next, None
        if drawn is None or drawn[0] != self.step:  # the first step, or one after a resume
            drawn = (self.step, self._drawer.submit(self._draw, self.step))
        inputs = drawn[1].result()
        # Cutting crops and drawing phrases takes one core; it overlaps with the network's work.
        self._next = (self.step + 1, self._drawer.submit(self._draw, self.step + 1))
        batch, candidates, rng = inputs.batch, inputs.candidates, inputs.rng
        with torch.autocast(self.device.type, torch.bfloat16):
            loss, accuracy = self._loss(batch, candidates, rng)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * schedule(self.step, self.config)
        self.model.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
            decay = min(self.config.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(
                list(self.average.values()), list(self.parameters.values()), 1 - decay
            )
        self.step += 1
        return {"loss": float(loss.detach()), "accuracy": accuracy}

    def _draw(self, step: int) -> Inputs:
        """Return what a step works on; depends on nothing but the seed and the step."""
        config = self.config
        rng = np.random.default_rng([config.seed, 2, step])
        large = self._is_large(step)
        side = 224 if large else config.side
        count = config.large_batch if large else config.batch
        batch = draw_batch(self.pools, rng, count, side)
        richness = min(1.0, (step + 1) / max(1.0, config.steps * config.plain_share))
        candidates = draw_candidates(rng, self.worlds, self.coloured, richness=richness)
        return Inputs(batch, candidates, rng)

    def _is_large(self, step: int) -> bool:
        """Whether a step uses whole windows."""
        config = self.config
        if config.large_share == 0:
            return False
        last = step >= round(config.steps * (1 - config.large_share))
        return last or step % config.large_every == config.large_every - 1

    def _loss(
        self, batch: Batch, candidates: Candidates, rng: np.random.Generator
    ) -> tuple[Tensor, float]:
        rows = min(self.config.captions, len(batch.images))
        device = self.device
        patches, classes = image_features(
            self.model,
            batch.images.to(device),
            batch.offsets.to(device),
            self.config.model.middle_layers,
            rows,
        )
        captions = [self._caption(batch, i, rng) for i in range(rows)]
        encoded = [
            self.rows.encode(text, rng, self.config.token_drop)
            for text in (*candidates.texts, *captions)
        ]
        vectors = torch.zeros(len(encoded), self.config.model.embed_dim, device=device)
        for bucket in self.rows.buckets(encoded):
            read = text_features(self.model, bucket.rows.to(device), bucket.ends.to(device))
            vectors = vectors.index_copy(0, bucket.members.to(device), read)
        phrases = torch.zeros(candidates.count, vectors.shape[1], device=device).index_add(
            0, candidates.owner.to(device), vectors[: len(candidates.texts)]
        )
        words = F.normalize(phrases, dim=-1)
        scale = self.model.logit_scale.exp()
        with torch.autocast(device.type, enabled=False):
            logits = scale * (patches @ words.T)
            # Half of the crops compete within their own world only, as a user's vocabulary does.
            narrowed = torch.from_numpy(rng.random(len(batch.images)) < 0.5)
            allowed = candidates.allowed[batch.worlds] | ~narrowed[:, None]
            logits = logits.masked_fill(~allowed[:, None, :].to(device), -1e4)
            targets, covered = patch_targets(batch.codes, candidates.table, candidates.count)
            word_share = self._candidate_weights(candidates)
            weight = (covered * (targets @ word_share)).to(device)
            targets, covered = targets.to(device), covered.to(device)
            loss = -(targets * logits.log_softmax(-1)).sum(-1)
            patch_loss = (loss * weight).sum() / weight.sum().clamp_min(1e-6)
            right = (logits.argmax(-1) == targets.argmax(-1)) & (covered > 0.5)
            accuracy = float(right.sum() / (covered > 0.5).sum().clamp_min(1))
            pairs = scale * (classes @ vectors[len(candidates.texts) :].T)
            same = torch.arange(rows, device=device)
            caption_loss = (F.cross_entropy(pairs, same) + F.cross_entropy(pairs.T, same)) / 2
        return patch_loss + self.config.caption_weight * caption_loss, accuracy

    def _candidate_weights(self, candidates: Candidates) -> Tensor:
        """Return each candidate's class-balancing weight, that of its word."""
        weights = torch.zeros(candidates.count)
        valid = candidates.table >= 0
        word = torch.arange(len(candidates.table)) // COLOUR_SLOTS
        weights[candidates.table[valid]] = self.weights[word[valid]]
        return weights

    def _caption(self, batch: Batch, index: int, rng: np.random.Generator) -> str:
        """Return a caption that names the up to four largest things of a crop."""
        codes = batch.codes[index].numpy().ravel()
        areas = np.bincount(codes // COLOUR_SLOTS, minlength=len(WORDS))
        order = [
            int(w) for w in np.argsort(-areas, kind="stable")[:4] if areas[w] >= 0.03 * codes.size
        ]
        colours = []
        for word in order:
            inside = np.bincount(codes[codes // COLOUR_SLOTS == word] % COLOUR_SLOTS, minlength=1)
            colours.append(int(inside.argmax()))
        return draw_caption(rng, self.worlds[int(batch.worlds[index])], order, colours)

    def averaged_model(self) -> CLIP:
        """Return a model with the averaged weights."""
        model = build_model(self.config.model, self.rows.unknown + 1, self.config.seed)
        model.load_state_dict(averaged_copy(self.model, self.average))
        return model.eval()

    def save(self, path: Path) -> None:
        """Write everything that resuming needs."""
        save_state(
            path,
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average,
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            },
        )

    def resume(self, path: Path) -> None:
        """Continue from a file that `save` wrote."""
        state = load_state(path)
        self.step = int(state["step"])
        self.model.load_state_dict(state["model"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)

    def export(self, path: Path) -> None:
        """Write the averaged weights in the form that the package ships."""
        weights = averaged_copy(self.model, self.average)
        export_model(path, weights, self.rows, self.config.model, self.config.seed, self.step)


def build_optimisers(
    parameters: dict[str, Tensor], config: TrainConfig
) -> list[torch.optim.Optimizer]:
    """Return Muon for the blocks' matrices and AdamW for everything else.

    Muon's orthogonalised updates take about two thirds of AdamW's steps here.
    """
    matrices = [p for name, p in parameters.items() if p.ndim == 2 and "resblocks" in name]
    inside = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in inside]
    muon = torch.optim.Muon(
        matrices,
        lr=config.matrix_rate,
        weight_decay=config.weight_decay,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    adamw = torch.optim.AdamW(
        others, lr=config.learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0, fused=True
    )
    optimisers: list[torch.optim.Optimizer] = [muon, adamw]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return optimisers


def schedule(step: int, config: TrainConfig) -> float:
    """Return the learning rate's factor: linear warm-up, then half a cosine down to 1 %."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def colours_of(pools: Sequence[Pool], sample: int = 150) -> list[list[int]]:
    """Return for each word the colours (1-based) that its instances come in often enough."""
    sums = np.zeros((len(WORDS), COLOUR_SLOTS), np.int64)
    for pool in pools:
        for i in range(min(sample, len(pool))):
            codes = pool.words[i, ::4, ::4].astype(np.int64) * COLOUR_SLOTS
            codes += pool.colours[i, ::4, ::4]
            sums += np.bincount(codes.ravel(), minlength=sums.size).reshape(sums.shape)
    lexicon = load_lexicon()
    return [
        [c for c in range(1, COLOUR_SLOTS) if sums[w, c] >= 100] if lexicon[word].colours else []
        for w, word in enumerate(WORDS)
    ]


def run(config: TrainConfig, args: argparse.Namespace) -> None:
    """Draw or load the scenes, train, validate now and then, and export."""
    began = time.monotonic()
    pools = [load_pool(w, 0, config.scenes, args.cache, args.threads) for w in WORLDS]
    held = [load_pool(w, HELD_OUT, args.final_scenes, args.cache, args.threads) for w in WORLDS]
    print(f"scenes ready after {time.monotonic() - began:.0f} s", flush=True)
    trainer = Trainer(config, pools, args.device)
    print(
        "coloured:",
        {WORDS[w]: [COLOURS[c - 1] for c in cs] for w, cs in enumerate(trainer.coloured) if cs},
    )
    state = args.out.with_suffix(".state")
    if args.resume and state.exists():
        trainer.resume(state)
        print(f"resumed at step {trainer.step}", flush=True)
    middle = config.model.middle_layers
    began = time.monotonic()
    loss = accuracy = 0.0
    first = trainer.step
    while trainer.step < config.steps:
        result = trainer.train_step()
        loss += result["loss"]
        accuracy += result["accuracy"]
        if trainer.step % args.log_every == 0:
            spent = time.monotonic() - began
            pace = spent / (trainer.step - first)
            print(
                f"step {trainer.step}/{config.steps} loss {loss / args.log_every:.3f} "
                f"patches {accuracy / args.log_every:.3f} "
                f"scale {trainer.model.logit_scale.detach().exp().item():.1f} "
                f"{pace:.3f} s/step, {spent / 60:.1f} min, "
                f"{pace * (config.steps - trainer.step) / 60:.1f} min left",
                flush=True,
            )
            loss = accuracy = 0.0
        if trainer.step % args.save_every == 0:
            trainer.save(state)
            trainer.export(args.out)
            found = validate(
                trainer.averaged_model(), trainer.rows, held, args.quick_scenes, middle
            )
            print(f"step {trainer.step} {summarise(found)}", flush=True)
    trainer.save(state)
    trainer.export(args.out)
    model = trainer.averaged_model()
    for views in (False, True):
        found = validate(model, trainer.rows, held, args.final_scenes, middle, views)
        print(f"final, views {views}: {summarise(found, 20)}", flush=True)


def main() -> None:
    """Parse the command line and train."""
    defaults = TrainConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint to write (.safetensors)"
    )
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--width", type=int, default=192, help="width of both towers")
    parser.add_argument("--scenes", type=int, default=defaults.scenes, help="scenes per world")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU")
    parser.add_argument("--cache", type=Path, default=Path("training-cache"), help="drawn scenes")
    parser.add_argument("--resume", action="store_true", help="continue from OUT's .state file")
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=500)
    parser.add_argument("--quick-scenes", type=int, default=8, help="validation scenes per world")
    parser.add_argument("--final-scenes", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    width = args.width
    config = TrainConfig(
        steps=args.steps,
        seed=args.seed,
        batch=args.batch,
        learning_rate=args.learning_rate,
        scenes=args.scenes,
        model=ModelConfig(embed_dim=width, vision_width=width, text_width=width),
    )
    run(config, args)


if __name__ == "__main__":
    main()
