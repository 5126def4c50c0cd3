"""Models are loaded from every kind of file as open_clip would run them; others are refused."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor

from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.compact import compact_token_rows
from napari_itaclip.errors import CheckpointError, SettingsError
from tests.clip.small_clips import outputs, save_archive, small_clip

State = dict[str, Tensor]


def load(path: Path, **settings: str) -> ClipModel:
    return load_clip(path, **({"device": "cpu", "precision": "float32"} | settings))  # type: ignore[arg-type]


def save(state: State, path: Path, **metadata: str) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata)
    return path


def custom_text(state: State) -> State:
    """Name the text tower as open_clip's CustomTextCLIP does."""
    return {
        name if name.startswith(("visual.", "logit")) else f"text.{name}": tensor
        for name, tensor in state.items()
    }


WRITERS: dict[str, Callable[[State, Path], object]] = {
    "safetensors": save,
    "state dict": torch.save,
    "nested": lambda state, path: torch.save({"epoch": 1, "state_dict": state}, path),
    "parallel": lambda state, path: torch.save(
        {f"module.{name}": tensor for name, tensor in state.items()}, path
    ),
    "custom text": lambda state, path: save(custom_text(state), path),
    "archive": save_archive,
    "compact": lambda state, path: save(
        compact_token_rows(state, range(49408)), path, vocab_size="49408"
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_network(
    kind: str, network: CLIP, state: State, tmp_path: Path
) -> None:
    path = tmp_path / "small.pt"
    WRITERS[kind](state, path)
    model = load(path)
    for ours, theirs in zip(outputs(model.network), outputs(network), strict=True):
        assert torch.equal(ours, theirs)
    assert not model.network.training
    assert not any(p.requires_grad or p.is_meta for p in model.network.parameters())
    assert not any(b.is_meta for b in model.network.buffers())
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_facts_of_a_local_file(state: State, tmp_path: Path) -> None:
    model = load(save(state, tmp_path / "small.safetensors"))
    assert (model.patch_size, model.window, model.depth, model.embed_dim) == (8, 16, 3, 32)
    assert model.device == torch.device("cpu")
    assert model.spec.name == "small"
    assert model.spec.licence == "unknown"
    assert "assumed" in model.spec.description
    assert model.spec.architecture.startswith("ViT/8 at 16 px, 3 layers")
    assert tuple(255 * x for x in model.mean) == pytest.approx((122.771, 116.746, 104.094), 1e-5)
    assert tuple(255 * x for x in model.std) == pytest.approx((68.501, 66.632, 70.323), 1e-5)


@pytest.mark.parametrize(
    "sizes",
    [
        {"vision_width": 192, "text_width": 128, "embed_dim": 48, "vision_layers": 1, "grid": 3},
        {"patch": 14, "context": 40, "mlp_ratio": 3.0},
        {"vision_width": 128, "mlp_ratio": 4.3637},
        {"vision_width": 1280, "head_width": 80, "vision_layers": 1},
    ],
)
def test_other_sizes_are_told_from_the_shapes(sizes: dict[str, int], tmp_path: Path) -> None:
    theirs = small_clip(**sizes)  # type: ignore[arg-type]
    model = load(save(dict(theirs.state_dict()), tmp_path / "x.safetensors"))
    image = torch.randn(1, 3, model.window, model.window)
    tokens = model.tokenize(["a cat"])
    assert tokens.shape == (1, sizes.get("context", 77))
    assert torch.equal(model.network.encode_image(image), theirs.encode_image(image))  # type: ignore[operator]
    assert torch.equal(model.network.encode_text(tokens), theirs.encode_text(tokens))  # type: ignore[operator]


def test_activation(state: State, tmp_path: Path) -> None:
    gelu = small_clip(quick_gelu=False)
    bare = save(state, tmp_path / "bare.safetensors")
    saying = save(state, tmp_path / "saying.safetensors", activation="gelu")
    wanted = outputs(gelu)[0]
    assert torch.equal(outputs(load(saying).network)[0], wanted)
    assert torch.equal(outputs(load(bare, activation="gelu").network)[0], wanted)
    assert not torch.allclose(outputs(load(bare).network)[0], wanted)
    assert not torch.allclose(outputs(load(saying, activation="quick_gelu").network)[0], wanted)
    assert load(saying).spec.activation == "gelu"
    # Other results, another identity.
    assert load(bare).identity != load(bare, activation="gelu").identity
    with pytest.raises(SettingsError, match="unknown activation 'relu'"):
        load(bare, activation="relu")
    strange = save(state, tmp_path / "strange.safetensors", activation="swish")
    with pytest.raises(CheckpointError, match=r"strange\.safetensors.*'swish'"):
        load(strange)


def test_precision(network: CLIP, state: State, tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in state.items()}
    path = save(halves, tmp_path / "half.safetensors")
    model = load(path)
    assert model.dtype == torch.float32
    assert torch.equal(model.network.state_dict()["visual.proj"], halves["visual.proj"].float())
    model = load(path, precision="bfloat16")
    assert model.dtype == torch.bfloat16
    # Words are embedded once, and classes may lie close together: their tower is never rounded.
    for name, parameter in model.network.named_parameters():
        image_side = name.startswith("visual.")
        assert parameter.dtype == (torch.bfloat16 if image_side else torch.float32), name
    for ours, theirs in zip(outputs(model.network), outputs(network), strict=True):
        assert torch.cosine_similarity(ours.float(), theirs).min() > 0.99


def test_identity_follows_the_content(state: State, tmp_path: Path) -> None:
    first = load(save(state, tmp_path / "a.safetensors")).identity
    again = load(save(state, tmp_path / "a.safetensors")).identity
    other = load(
        save(state | {"visual.proj": state["visual.proj"] + 1}, tmp_path / "a.safetensors")
    )
    assert first == again != other.identity


def test_the_file_may_be_replaced_while_the_model_lives(state: State, tmp_path: Path) -> None:
    path = save(state, tmp_path / "a.safetensors")
    model = load(path)
    before = outputs(model.network)[0]
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(outputs(model.network)[0], before)


def test_tokens_are_open_clips(state: State, tmp_path: Path) -> None:
    model = load(save(state, tmp_path / "a.safetensors"))
    texts = ["a photo of a cat.", "", "long " * 100]
    tokens = model.tokenize(texts)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, open_clip.tokenize(texts))
    assert torch.equal(model.tokenize("a photo of a cat."), tokens[:1])
    assert [model.count_tokens(text) for text in texts] == [6, 0, 100]


# --- files of other networks, and damaged ones ---


def without(state: State, *starts: str) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith(starts)}


FOREIGN: dict[str, tuple[Callable[[State], State], str]] = {
    "resnet": (
        lambda s: s | {"visual.layer1.0.conv1.weight": torch.zeros(4, 4, 1, 1)},
        "ResNet CLIP",
    ),
    "resnet pool": (lambda s: s | {"visual.attnpool.c_proj.weight": torch.zeros(2)}, "ResNet CLIP"),
    "transformers": (
        lambda s: {
            "vision_model.embeddings.class_embedding": torch.zeros(4),
            "text_model.embeddings.token_embedding.weight": torch.zeros(4, 4),
        },
        "Hugging Face transformers",
    ),
    "siglip": (lambda s: {"visual.trunk.pos_embed": torch.zeros(2)}, "SigLIP"),
    "coca": (lambda s: s | {"text_decoder.x": torch.zeros(2)}, "CoCa"),
    "timm": (lambda s: {"patch_embed.proj.weight": torch.zeros(2)}, "without a text tower"),
    "anything": (lambda s: {"w": torch.zeros(2)}, "no CLIP image tower"),
    "no text": (
        lambda s: {name: tensor for name, tensor in s.items() if name.startswith("visual.")},
        "no text tower",
    ),
    "half a text": (lambda s: without(s, "text_projection"), "'text_projection' is missing"),
    "a gap": (
        lambda s: without(s, "visual.transformer.resblocks.1.ln_1"),
        r"lacks 2 tensors \(visual.transformer.resblocks.1.ln_1.bias",
    ),
    "layer scale": (
        lambda s: s | {"visual.transformer.resblocks.0.ls_1.gamma": torch.zeros(128)},
        "1 tensors that a plain CLIP has not",
    ),
    "shape": (
        lambda s: s | {"visual.proj": torch.zeros(128, 31)},
        r"'visual.proj' has the shape 128.31, expected 128.32",
    ),
    "dimensions": (lambda s: s | {"visual.proj": torch.zeros(128)}, "'visual.proj' has the shape"),
    "not square": (
        lambda s: s | {"visual.positional_embedding": torch.zeros(7, 128)},
        "7 rows: not a class token and a square",
    ),
    "gray": (lambda s: s | {"visual.conv1.weight": torch.zeros(128, 1, 8, 8)}, "three channels"),
    "vocabulary": (
        lambda s: s | {"token_embedding.weight": torch.zeros(100, 64)},
        "knows 100 tokens",
    ),
    "not a number": (
        lambda s: s | {"visual.proj": torch.full((128, 32), math.nan)},
        "'visual.proj' holds values that are not finite",
    ),
    "infinite": (
        lambda s: s | {"ln_final.bias": torch.full((64,), math.inf)},
        "'ln_final.bias' holds values that are not finite",
    ),
    "integers": (
        lambda s: s | {"visual.proj": torch.zeros(128, 32, dtype=torch.int8)},
        "holds torch.int8",
    ),
    "compact": (
        lambda s: (
            without(s, "token_embedding")
            | {"token_embedding.rows": torch.zeros(3, 64), "token_embedding.ids": torch.zeros(2)}
        ),
        "metadata has no vocab_size",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_networks_are_named(kind: str, state: State, tmp_path: Path) -> None:
    change, what = FOREIGN[kind]
    path = save(change(state), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=rf"other\.safetensors.*{what}"):
        load(path)


def test_an_archive_of_another_network_is_refused(state: State, tmp_path: Path) -> None:
    extra = {"visual.transformer.resblocks.0.ls_1.gamma": torch.zeros(128)}
    path = save_archive(state | extra, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="a plain CLIP has not"):
        load(path)


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"unknown model 'vit'.*Named models: demo"):
        load_clip("vit")
    with pytest.raises(CheckpointError, match=r"missing\.pt.*no such file"):
        load_clip("missing.pt")
    with pytest.raises(CheckpointError, match="no such file"):
        load_clip(str(tmp_path / "missing"))
    with pytest.raises(CheckpointError, match="not ''"):
        load_clip("")
    monkeypatch.chdir(tmp_path)
    Path("weights").write_text("no weights")
    with pytest.raises(CheckpointError, match="it is a text file"):
        load_clip("weights")


def golden_folder() -> Path:
    beside = Path(__file__).parents[2] / ".." / "shared" / "golden"
    return Path(os.environ.get("ITACLIP_GOLDEN", beside))


@pytest.mark.skipif(
    not (golden_folder() / "tiny_clip.safetensors").is_file(), reason="no golden folder here"
)
def test_the_golden_network_loads() -> None:
    folder = golden_folder()
    model = load(folder / "tiny_clip.safetensors")
    assert model.spec.activation == "quick_gelu"
    assert model.depth == 12
    assert model.window == 224
    prompts = json.loads((folder / "text_prompts.json").read_text())
    embedded = model.network.encode_text(model.tokenize(list(prompts)))  # type: ignore[operator]
    assert embedded.shape == (len(prompts), model.embed_dim)
    assert embedded.isfinite().all()
