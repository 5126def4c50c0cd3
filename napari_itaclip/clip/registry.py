"""The models that can be asked for by name: facts only, no torch.

Each entry says where open_clip finds the weights (Hugging Face Hub and, where there is one, the
publisher's own address), under which licence they are given, and what the segmentation needs to
know about them. A test holds the entries against open_clip's own tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal

from napari_itaclip.errors import UnknownModelError

Activation = Literal["quick_gelu", "gelu"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean of the training images, RGB in [0, 1] (Radford et al. 2021)."""

CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation of the training images, RGB in [0, 1] (Radford et al. 2021)."""

MIDDLE_LAYERS = (7 / 12, 8 / 12, 10 / 12)
"""Layers 7, 8 and 10 of 12 (ITACLIP, eq. 8), as fractions of the depth."""

DEFAULT_MODEL = "openai-vit-b-16"

_OPENAI = "https://openaipublic.azureedge.net/clip/models"


@dataclass(frozen=True)
class ModelSpec:
    """What is known about one model.

    Parameters
    ----------
    name
        What a person types.
    title
        What a person reads.
    architecture, pretrained
        open_clip's name of the network and its tag for the weights; for a local file a summary of
        the inferred network and the file's path.
    licence
        SPDX identifier of the weights' licence (``LicenseRef-…`` where SPDX has none).
    size_mb
        Size of the download, or of the local file, in megabytes (1e6 bytes).
    template_set
        Name of the prompt templates the model works best with.
    middle_layers
        The layers whose attention ITACLIP mixes in, as fractions of the depth; None for none.
    description
        One or two sentences: what it is good for, what to know before using it.
    activation
        The feed-forward activation the weights were trained with.
    hub
        Repository on the Hugging Face Hub.
    url
        The publisher's own address of the file, used when the Hub cannot be reached.
    licence_source
        Where the licence is stated.
    resource
        Path inside the package, for weights that ship with it.
    notice
        What everyone who sees a result of this model should know; empty for most.
    mean, std
        Per channel, RGB in [0, 1], of the images the model was trained on.
    """

    name: str
    title: str
    architecture: str
    pretrained: str
    licence: str
    size_mb: float
    template_set: str = "imagenet-80"
    middle_layers: tuple[float, ...] | None = MIDDLE_LAYERS
    description: str = ""
    activation: Activation = "quick_gelu"
    hub: str = ""
    url: str = ""
    licence_source: str = ""
    resource: str | None = None
    notice: str = ""
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD


_SPECS = (
    ModelSpec(
        name="demo",
        title="Demo model (ships with the package)",
        architecture="small ViT",
        pretrained="napari-itaclip",
        licence="BSD-3-Clause",
        size_mb=10.0,
        description=(
            "A small network trained on drawn scenes, so that everything runs without a download. "
            "It knows few words; for real work use openai-vit-b-16."
        ),
        licence_source="the package's LICENSE file",
        resource="data/demo.safetensors",
        notice="Made with the demo model, which knows only drawn scenes, no photographs.",
    ),
    ModelSpec(
        name="openai-vit-b-16",
        title="OpenAI CLIP ViT-B/16",
        architecture="ViT-B-16-quickgelu",
        pretrained="openai",
        licence="MIT",
        size_mb=598.5,
        description="The model the ITACLIP paper reports; the default.",
        hub="timm/vit_base_patch16_clip_224.openai",
        url=f"{_OPENAI}/5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt",
        licence_source="https://github.com/openai/CLIP/blob/main/LICENSE",
    ),
    ModelSpec(
        name="openai-vit-b-32",
        title="OpenAI CLIP ViT-B/32",
        architecture="ViT-B-32-quickgelu",
        pretrained="openai",
        licence="MIT",
        size_mb=605.1,
        description="Four times fewer patches: faster than ViT-B/16 and coarser.",
        hub="timm/vit_base_patch32_clip_224.openai",
        url=f"{_OPENAI}/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        licence_source="https://github.com/openai/CLIP/blob/main/LICENSE",
    ),
    ModelSpec(
        name="openai-vit-l-14",
        title="OpenAI CLIP ViT-L/14",
        architecture="ViT-L-14-quickgelu",
        pretrained="openai",
        licence="MIT",
        size_mb=1710.5,
        description=(
            "24 layers: knows more words, takes about five times as long. The middle layers are "
            "the B/16 choice scaled to its depth."
        ),
        hub="timm/vit_large_patch14_clip_224.openai",
        url=f"{_OPENAI}/b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
        licence_source="https://github.com/openai/CLIP/blob/main/LICENSE",
    ),
    ModelSpec(
        name="laion2b-vit-b-16",
        title="OpenCLIP ViT-B/16, LAION-2B",
        architecture="ViT-B-16",
        pretrained="laion2b_s34b_b88k",
        licence="MIT",
        size_mb=598.5,
        activation="gelu",
        description="Trained by LAION on the English part of LAION-5B.",
        hub="laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
        licence_source="https://huggingface.co/laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    ),
    ModelSpec(
        name="datacomp-vit-b-16",
        title="OpenCLIP ViT-B/16, DataComp-XL",
        architecture="ViT-B-16",
        pretrained="datacomp_xl_s13b_b90k",
        licence="MIT",
        size_mb=598.5,
        activation="gelu",
        description="Trained on DataComp-1B, a filtered collection of image-text pairs.",
        hub="laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        licence_source="https://huggingface.co/laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
    ),
    ModelSpec(
        name="dfn-vit-b-16",
        title="Apple DFN ViT-B/16, DFN-2B",
        architecture="ViT-B-16-quickgelu",
        pretrained="dfn2b",
        licence="LicenseRef-apple-amlr",
        size_mb=598.5,
        description=(
            "Data filtering networks. Apple's machine learning research licence: read it before "
            "any use other than research."
        ),
        hub="apple/DFN2B-CLIP-ViT-B-16",
        licence_source="https://huggingface.co/apple/DFN2B-CLIP-ViT-B-16/blob/main/LICENSE",
    ),
    ModelSpec(
        name="metaclip-vit-b-16",
        title="MetaCLIP ViT-B/16, 2.5 billion pairs",
        architecture="ViT-B-16-quickgelu",
        pretrained="metaclip_fullcc",
        licence="CC-BY-NC-4.0",
        size_mb=598.5,
        description="Meta's open reconstruction of CLIP's data. Not for commercial use.",
        hub="timm/vit_base_patch16_clip_224.metaclip_2pt5b",
        url="https://dl.fbaipublicfiles.com/MMPT/metaclip/b16_fullcc2.5b.pt",
        licence_source="https://github.com/facebookresearch/MetaCLIP/blob/main/LICENSE",
    ),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""The named models."""


def model_spec(name: str) -> ModelSpec:
    """Look a named model up.

    Parameters
    ----------
    name
        A key of `MODELS`.

    Returns
    -------
    ModelSpec
        Its entry.

    Raises
    ------
    UnknownModelError
        For an unknown name; says which ones there are.
    """
    if name in MODELS:
        return MODELS[name]
    close = get_close_matches(name.lower(), MODELS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownModelError(
        f"unknown model {name!r}, and no such file.{hint} "
        f"Named models: {', '.join(MODELS)}; or give the path of a weights file."
    )
