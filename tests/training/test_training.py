"""A tiny training run learns, repeats itself and resumes; its parts agree with plain references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from safetensors import safe_open
from safetensors.torch import load_file

from napari_itaclip.clip.compact import compact_token_rows, expand_token_rows
from napari_itaclip.errors import CheckpointError
from training.checkpoint import FULL_VOCABULARY
from training.data import COLOUR_SLOTS, draw_batch, patch_targets
from training.model import ModelConfig, build_model, image_features, text_features
from training.pool import WORDS, Pool, load_pool, world_words
from training.text import TokenRows, draw_candidates
from training.train import TrainConfig, Trainer

TINY = ModelConfig(
    embed_dim=32,
    vision_width=64,
    vision_layers=3,
    text_width=64,
    text_layers=1,
    middle_layers=(1, 2),
)
CONFIG = TrainConfig(
    steps=12,
    batch=8,
    side=64,
    large_share=0.0,
    plain_share=0.0,
    warmup=2,
    captions=4,
    learning_rate=2e-3,
    model=TINY,
)
WORLD_NAMES = ("everyday", "aerial")


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> list[Pool]:
    cache = tmp_path_factory.mktemp("scenes")
    return [load_pool(world, 0, 4, cache, processes=1) for world in WORLD_NAMES]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_pool_holds_only_the_words_of_its_world(pools: list[Pool]) -> None:
    for pool in pools:
        assert set(np.flatnonzero(pool.counts.sum(0))) <= set(world_words(pool.world))
        assert (pool.counts.sum(1) == 512 * 512).all()


def test_some_steps_lower_the_loss(pools: list[Pool]) -> None:
    trainer = Trainer(CONFIG, pools)
    losses = [trainer.train_step()["loss"] for _ in range(12)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


def test_same_seed_gives_same_weights_also_across_a_resume(
    pools: list[Pool], tmp_path: Path
) -> None:
    config = replace(CONFIG, steps=4)
    straight, broken, resumed = (Trainer(config, pools) for _ in range(3))
    for _ in range(4):
        straight.train_step()
    for _ in range(2):
        broken.train_step()
    broken.save(tmp_path / "run.state")
    resumed.resume(tmp_path / "run.state")
    for _ in range(2):
        resumed.train_step()
    for name, value in straight.average.items():
        torch.testing.assert_close(resumed.average[name], value, rtol=0, atol=0)


def test_exported_file_is_a_compact_open_clip_checkpoint(pools: list[Pool], tmp_path: Path) -> None:
    trainer = Trainer(CONFIG, pools)
    path = tmp_path / "demo.safetensors"
    trainer.export(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "napari-itaclip-demo"
    assert metadata["activation"] == "quick_gelu"
    weights = expand_token_rows(load_file(path), FULL_VOCABULARY)
    full = build_model(TINY, FULL_VOCABULARY, seed=1)
    full.load_state_dict({key: value.float() for key, value in weights.items()})
    texts = ["a photo of a red car.", "giraffe"]
    tokens = torch.zeros(2, 77, dtype=torch.long)
    tokenizer = SimpleTokenizer()
    for i, text in enumerate(texts):
        ids = [tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id]
        tokens[i, : len(ids)] = torch.tensor(ids)
    ours = trainer.rows.buckets([trainer.rows.encode(text) for text in texts])
    vectors = torch.zeros(2, 32)
    for bucket in ours:
        vectors[bucket.members] = text_features(trainer.averaged_model(), bucket.rows, bucket.ends)
    torch.testing.assert_close(full.encode_text(tokens, normalize=True), vectors, rtol=0, atol=5e-3)


def _reference_patches(model: CLIP, images: torch.Tensor, middle: tuple[int, ...]) -> torch.Tensor:
    """Return ITACLIP patch features head by head, in the plainest words."""
    visual: Any = model.visual
    x = visual._embeds(images)
    sides = []

    def self_attention(block: Any, y: torch.Tensor) -> tuple[list[torch.Tensor], ...]:
        q, k, v = F.linear(y, block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, -1)
        maps, values = [], []
        for head in range(q.shape[-1] // 64):
            part = slice(64 * head, 64 * head + 64)
            qq = (q[..., part] @ q[..., part].mT / 8).softmax(-1)
            kk = (k[..., part] @ k[..., part].mT / 8).softmax(-1)
            maps.append(qq + kk)
            values.append(v[..., part])
        return maps, values

    blocks = list(visual.transformer.resblocks)
    for number, block in enumerate(blocks[:-1], start=1):
        if number in middle:
            sides.append(self_attention(block, block.ln_1(x))[0])
        x = block(x)
    last = blocks[-1]
    maps, values = self_attention(last, last.ln_1(x))
    heads = []
    for head, value in enumerate(values):
        beside = sum(side[head] for side in sides) / len(sides)
        heads.append((maps[head] / 2 + beside / 2) @ value)
    x = x + last.attn.out_proj(torch.cat(heads, -1))
    return F.normalize(visual.ln_post(x)[:, 1:] @ visual.proj, dim=-1)


def test_forward_equals_the_plain_reference_and_the_ordinary_clip() -> None:
    config = replace(TINY, vision_width=128, vision_layers=4, middle_layers=(1, 3))
    model = build_model(config, 8, seed=3).eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    offsets = torch.zeros(2, 2, dtype=torch.long)
    patches, classes = image_features(model, images, offsets, config.middle_layers, class_rows=2)
    expected = _reference_patches(model, images, config.middle_layers)
    torch.testing.assert_close(patches, expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(
        classes, model.encode_image(images, normalize=True), rtol=0, atol=2e-6
    )


def test_crops_use_their_part_of_the_position_grid() -> None:
    model = build_model(TINY, 8, seed=3).eval()
    crop = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first, _ = image_features(model, crop, torch.tensor([[0, 0]]), ())
    other, _ = image_features(model, crop, torch.tensor([[5, 9]]), ())
    assert not torch.allclose(first, other)
    with torch.no_grad():
        model.visual.positional_embedding[1:] = 0
    first, _ = image_features(model, crop, torch.tensor([[0, 0]]), ())
    other, _ = image_features(model, crop, torch.tensor([[5, 9]]), ())
    torch.testing.assert_close(first, other)


def test_targets_are_the_area_shares_of_a_patch(pools: list[Pool]) -> None:
    rng = np.random.default_rng(0)
    batch = draw_batch(pools, rng, 8, 64)
    coloured: list[list[int]] = [[] for _ in WORDS]
    candidates = draw_candidates(rng, WORLD_NAMES, coloured, colour_share=0)
    targets, covered = patch_targets(batch.codes, candidates.table, candidates.count)
    torch.testing.assert_close(targets.sum(-1), torch.ones(8, 16))
    assert (covered == 1).all()
    patch = candidates.table[batch.codes[3, 16:32, 32:48]]
    share = torch.bincount(patch.ravel(), minlength=candidates.count) / 256
    torch.testing.assert_close(targets[3, 6], share)


def test_pixels_without_a_right_candidate_are_left_out() -> None:
    codes = torch.zeros(1, 16, 16, dtype=torch.long)
    codes[0, :8] = 1
    table = torch.full((len(WORDS) * COLOUR_SLOTS,), -1)
    table[1] = 2
    targets, covered = patch_targets(codes, table, 3)
    assert targets[0, 0].tolist() == [0, 0, 1]
    assert covered.item() == 0.5


def test_every_word_and_colour_has_its_candidate() -> None:
    coloured: list[list[int]] = [[] for _ in WORDS]
    car = WORDS.index("car")
    coloured[car] = [1, 4]
    rng = np.random.default_rng(1)
    candidates = draw_candidates(rng, WORLD_NAMES, coloured, negatives=3, colour_share=1.0)
    red, blue = (int(candidates.table[car * COLOUR_SLOTS + colour]) for colour in (1, 4))
    assert red != blue
    assert int(candidates.table[car * COLOUR_SLOTS]) == -1
    assert set(candidates.owner.tolist()) == set(range(candidates.count))
    assert candidates.allowed[:, -3:].all()
    everyday, aerial = candidates.allowed
    assert not everyday[int(candidates.table[WORDS.index("ship") * COLOUR_SLOTS])]
    assert aerial[int(candidates.table[WORDS.index("ship") * COLOUR_SLOTS])]


def test_compact_token_table_round_trip() -> None:
    weight = torch.randn(1, 8).repeat(50, 1)
    weight[[3, 49, 7]] = torch.randn(3, 8)
    state = {"token_embedding.weight": weight, "other": torch.ones(2)}
    compact = compact_token_rows(state, [49, 3, 7])
    assert compact["token_embedding.ids"].tolist() == [3, 7, 49]
    assert compact["token_embedding.rows"].shape == (4, 8)
    full = expand_token_rows(compact, 50)
    assert set(full) == set(state)
    torch.testing.assert_close(full["token_embedding.weight"], weight, rtol=0, atol=0)


def test_compact_token_table_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(CheckpointError, match="differ"):
        compact_token_rows({"token_embedding.weight": torch.randn(5, 2)}, [0, 1])
    rows = {"token_embedding.rows": torch.zeros(3, 2)}
    with pytest.raises(CheckpointError, match="incomplete"):
        expand_token_rows(rows, 10)
    for ids in ([1], [1, 10], [4, 4]):
        with pytest.raises(CheckpointError, match="ids"):
            expand_token_rows({**rows, "token_embedding.ids": torch.tensor(ids)}, 10)


def test_token_rows_are_ascending_and_hold_the_markers() -> None:
    rows = TokenRows()
    assert list(rows.ids) == sorted(set(rows.ids))
    encoded = rows.encode("car")
    assert rows.ids[encoded[0]] == rows.start
    assert rows.ids[encoded[-1]] == rows.end == FULL_VOCABULARY - 1
