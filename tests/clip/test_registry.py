"""The named models agree with what open_clip says about them."""

from __future__ import annotations

import subprocess
import sys

import open_clip
import pytest

from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS, ModelSpec, model_spec
from napari_itaclip.errors import CheckpointError
from napari_itaclip.vocabulary.templates import TEMPLATE_SETS

PUBLISHED = [spec for spec in MODELS.values() if spec.resource is None]


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.name)
def test_agrees_with_open_clip(spec: ModelSpec) -> None:
    source = open_clip.get_pretrained_cfg(spec.architecture, spec.pretrained)
    assert source["hf_hub"] == spec.hub + "/"
    assert source["url"] == spec.url
    assert (source["mean"], source["std"]) == (spec.mean, spec.std)
    config = open_clip.get_model_config(spec.architecture)
    assert config is not None
    quick = config.get("quick_gelu", False)
    assert spec.activation == ("quick_gelu" if quick else "gelu")
    assert source.get("quick_gelu", False) == quick
    # CLIP's own tokenizer serves all of them.
    assert "hf_tokenizer_name" not in config["text_cfg"]
    assert config["text_cfg"]["context_length"] == 77


def test_every_entry_is_complete() -> None:
    assert MODELS[DEFAULT_MODEL].architecture == "ViT-B-16-quickgelu"
    for name, spec in MODELS.items():
        assert spec.name == name
        assert spec.template_set in TEMPLATE_SETS
        assert spec.licence
        assert spec.licence_source
        assert spec.description
        assert spec.size_mb > 0
        assert spec.middle_layers is not None
        assert [round(12 * layer) for layer in spec.middle_layers] == [7, 8, 10]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match=r"Did you mean 'openai-vit-b-16'\?.*demo"):
        model_spec("openai-vit-b16")


def test_listing_models_needs_no_torch() -> None:
    code = (
        "import sys; from napari_itaclip.clip.weights_cache import list_models; list_models();"
        "assert not {'torch', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
