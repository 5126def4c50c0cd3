"""Embeddings of words and of whole vocabularies.

A word is put into every template of a set; the text tower reads each prompt, and the normalised
embeddings are averaged and normalised again. Auxiliary texts go the same way and are mixed in
(ITACLIP eq. 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_itaclip.clip.checkpoints import ClipModel
from napari_itaclip.clip.embedding_cache import EmbeddingCache, EmbeddingKey
from napari_itaclip.clip.transformer import (
    add_feed_forward,
    attend,
    attention_output,
    layer_norm,
    project,
    run_block,
)
from napari_itaclip.errors import SettingsError
from napari_itaclip.vocabulary.classes import Vocabulary
from napari_itaclip.vocabulary.templates import (
    TEMPLATE_SETS,
    fill_template,
    validate_templates,
)

_TOKENS_PER_BATCH = {"cpu": 1024}
_MANY_TOKENS = 16_384
"""Prompts of like length run together, about this many tokens at a time: on a CPU so few that the
activations stay in memory that is at hand already, elsewhere enough to keep the device busy."""

_BATCHES_PER_PART = 8
_TOKENS_PER_PROMPT = 16
"""Words are remembered in parts of about this many batches, so that work that is broken off is not
lost; the parts are long enough that sorting their prompts by length still pays."""

_SPECIAL_TOKENS = 2
"""Start and end of text."""

Progress = Callable[[int, int], None]
"""Called with the number of prompts done and the total."""


@cache
def _imagenet_templates() -> tuple[str, ...]:
    """Return open_clip's 80 ImageNet templates as format strings."""
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def resolve_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """Return the prompts of a template set, given by name or as strings with one ``{}`` each.

    Raises
    ------
    VocabularyError
        If there is no set of that name or a template has no ``{}``.
    """
    checked = validate_templates(templates)
    if isinstance(checked, str):
        return TEMPLATE_SETS[checked] or _imagenet_templates()
    return checked


@torch.inference_mode()
def encode_tokens(model: ClipModel, tokens: Tensor, progress: Progress | None = None) -> Tensor:
    """Return the L2-normalised text embeddings of tokenised prompts.

    The tower is causal and reads the end-of-text token, so what follows that token changes
    nothing. Prompts are sorted by length and cut there, and in the last block only the token that
    is read goes on; both are exact.

    Parameters
    ----------
    model : ClipModel
        The model.
    tokens : Tensor of int64, shape (N, context)
        Prompts as the model's tokenizer returns them.
    progress : callable, optional
        Called with prompts done and total after each batch.

    Returns
    -------
    Tensor, shape (N, D), float32
        On the model's device.
    """
    ends = tokens.argmax(dim=1)  # the end-of-text token has the highest id
    order = ends.argsort(stable=True)
    out = torch.empty(len(tokens), model.embed_dim, device=model.device)
    at_once = _TOKENS_PER_BATCH.get(model.device.type, _MANY_TOKENS)
    done = 0
    while done < len(tokens):
        shortest = int(ends[order[done]]) + 1
        chunk = order[done : done + max(1, at_once // shortest)]
        length = int(ends[chunk[-1]]) + 1
        batch = tokens[chunk, :length].to(model.device)
        out[chunk.to(model.device)] = _encode_batch(model, batch, ends[chunk].to(model.device))
        done += len(chunk)
        if progress is not None:
            progress(done, len(tokens))
    return out


def _encode_batch(model: ClipModel, tokens: Tensor, ends: Tensor) -> Tensor:
    """Return the normalised embeddings ``(B, D)`` of ``tokens`` ``(B, L)`` read at ``ends``."""
    network = cast(Any, model.network)
    length = tokens.shape[1]
    x = network.token_embedding(tokens).float()
    x += network.positional_embedding[:length].float()
    blocks = list(network.transformer.resblocks)
    for block in blocks[:-1]:
        run_block(block, x, causal=True)
    rows = torch.arange(len(tokens), device=tokens.device)
    heads = project(blocks[-1], x)
    visible = torch.arange(length, device=tokens.device) <= ends[:, None]
    query = heads.q[rows, :, ends][:, :, None]
    attended = attend(query, heads.k, heads.v, mask=visible[:, None, None])
    x = x[rows, ends][:, None] + attention_output(blocks[-1], attended)
    add_feed_forward(blocks[-1], x)
    x = layer_norm(network.ln_final, x[:, 0], x.dtype)
    projection = network.text_projection
    if isinstance(projection, torch.nn.Linear):
        x = projection(x)
    elif projection is not None:
        x = x @ projection
    return functional.normalize(x.float(), dim=-1)


class TextEncoder:
    """Embeds words with one model and remembers them.

    Parameters
    ----------
    model : ClipModel
        The model.
    cache : EmbeddingCache, optional
        Where embeddings are kept; by default in memory only.
    """

    def __init__(self, model: ClipModel, cache: EmbeddingCache | None = None) -> None:
        self.model = model
        self.cache = EmbeddingCache() if cache is None else cache
        self._longest: dict[tuple[str, ...], str] = {}
        self._fitted: dict[tuple[tuple[str, ...], str], str] = {}

    def encode(
        self,
        words: Sequence[str],
        templates: str | Sequence[str] = "imagenet-80",
        progress: Progress | None = None,
        *,
        quick: str | Sequence[str] | None = None,
    ) -> Tensor:
        """Return the embedding of each word: the normalised mean over the templates.

        Parameters
        ----------
        words : sequence of str
            Words or texts. One that does not fit the context is cut (see `fit_to_context`).
        templates : str or sequence of str
            Template set by name, or prompts with a ``{}``.
        progress : callable, optional
            Called with prompts done and total; not called when every word is known. An exception
            that it raises ends the work and is passed on; the parts done by then are remembered.
        quick : str or sequence of str, optional
            Other templates, for the words that are not known yet with the first ones.

        Returns
        -------
        Tensor, shape (len(words), D), float32
            L2-normalised rows on the model's device.
        """
        prompts = resolve_templates(templates)
        fitted = [self.fit_to_context(word, prompts) for word in words]
        known, keys = self._look_up(fitted, prompts)
        new = [word for word, key in keys.items() if key not in known]
        if new and quick is not None:
            rows = self.encode(new, quick, progress).cpu().numpy()
            known |= {keys[word]: row for word, row in zip(new, rows, strict=True)}
        elif new:
            for part, computed in self._embed(new, prompts, progress):
                vectors = computed.cpu().numpy()
                fresh = {keys[word]: row for word, row in zip(part, vectors, strict=True)}
                self.cache.put(fresh)
                known |= fresh
        dim = self.model.embed_dim
        if not fitted:
            return torch.empty(0, dim, device=self.model.device)
        found = [torch.tensor(known[keys[word]]) for word in fitted]
        return torch.stack(found).to(self.model.device)

    def knows(self, words: Sequence[str], templates: str | Sequence[str] = "imagenet-80") -> bool:
        """Say whether `encode` would run the network for none of these words."""
        prompts = resolve_templates(templates)
        known, keys = self._look_up([self.fit_to_context(word, prompts) for word in words], prompts)
        return len(known) == len(keys)

    def _look_up(
        self, words: Sequence[str], prompts: tuple[str, ...]
    ) -> tuple[dict[EmbeddingKey, NDArray[np.float32]], dict[str, EmbeddingKey]]:
        """Return the embeddings that the cache holds, and every word's key."""
        digest = hashlib.sha256("\0".join(prompts).encode()).hexdigest()[:16]
        keys = {word: EmbeddingKey(self.model.identity, digest, word) for word in words}
        dim = self.model.embed_dim
        known = {
            key: vector
            for key, vector in self.cache.get(keys.values()).items()
            if vector.shape == (dim,)
        }
        return known, keys

    def fit_to_context(self, text: str, templates: str | Sequence[str] = "imagenet-80") -> str:
        """Return ``text``, cut at a word boundary if it and a template exceed the context.

        A single word that is too long is cut after as many letters as fit.
        """
        prompts = resolve_templates(templates)
        if (prompts, text) not in self._fitted:
            self._fitted[prompts, text] = self._fit(text, prompts)
        return self._fitted[prompts, text]

    def _fit(self, text: str, prompts: tuple[str, ...]) -> str:
        """Return ``text``, cut if it and the longest of ``prompts`` exceed the context."""
        context = self.model.context_length - _SPECIAL_TOKENS
        longest = self._longest_template(prompts)

        def fits(candidate: str) -> bool:
            return self.model.count_tokens(fill_template(longest, candidate)) <= context

        if fits(text):
            return text
        words = text.split()
        count = _most(len(words), lambda n: fits(" ".join(words[:n])))
        if count:
            return " ".join(words[:count]).rstrip(",;:")
        first = words[0] if words else text
        return first[: max(1, _most(len(first), lambda n: fits(first[:n])))]

    def _longest_template(self, prompts: tuple[str, ...]) -> str:
        """Return the template with the most tokens."""
        if prompts not in self._longest:
            self._longest[prompts] = max(prompts, key=self.model.count_tokens)
        return self._longest[prompts]

    def _embed(
        self, words: Sequence[str], prompts: Sequence[str], progress: Progress | None
    ) -> Iterator[tuple[Sequence[str], Tensor]]:
        """Yield the words in parts, each with its embeddings ``(n, D)``."""
        at_once = _TOKENS_PER_BATCH.get(self.model.device.type, _MANY_TOKENS)
        size = max(1, _BATCHES_PER_PART * at_once // (_TOKENS_PER_PROMPT * len(prompts)))
        total = len(words) * len(prompts)
        for start in range(0, len(words), size):
            part = words[start : start + size]
            texts = [fill_template(prompt, word) for word in part for prompt in prompts]
            shown = None if progress is None else _shifted(progress, start * len(prompts), total)
            embedded = encode_tokens(self.model, self.model.tokenize(texts), shown)
            mean = embedded.view(len(part), len(prompts), -1).mean(dim=1)
            yield part, functional.normalize(mean, dim=-1)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Return what reports a part's progress as that of the whole."""
    return lambda done, _: progress(before + done, total)


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to ``count`` that fits, if whatever fits does so when less."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True)
class ClassEmbeddings:
    """The text side of a segmentation.

    Attributes
    ----------
    embeddings : Tensor, shape (W, D), float32
        One fused embedding per prompt word (eq. 9), not normalised again.
    word_class_index : tuple of int, length W
        Position of each word's class in the vocabulary.
    words : tuple of str, length W
        The words themselves.
    cut_texts : mapping of str to str
        Texts that were too long for the context, and what was used of them.
    """

    embeddings: Tensor
    word_class_index: tuple[int, ...]
    words: tuple[str, ...]
    cut_texts: Mapping[str, str]

    def check_for(self, vocabulary: Vocabulary) -> None:
        """Refuse a vocabulary with other words.

        Raises
        ------
        SettingsError
            If these embeddings were made of other words, or of words in another order.
        """
        if (self.words, self.word_class_index) != (vocabulary.words, vocabulary.word_class_index):
            raise SettingsError(
                f"These embeddings are of the words {', '.join(self.words)}, but the vocabulary "
                f"has {', '.join(vocabulary.words)}; embed the vocabulary again."
            )


def vocabulary_texts(vocabulary: Vocabulary) -> list[str]:
    """Return everything of a vocabulary that is embedded: its words, then its auxiliary texts."""
    return [
        *vocabulary.words,
        *(text for prompt in vocabulary for text in prompt.auxiliary_texts),
    ]


def embed_vocabulary(
    encoder: TextEncoder,
    vocabulary: Vocabulary,
    progress: Progress | None = None,
    templates: str | Sequence[str] | None = None,
    quick: str | Sequence[str] | None = None,
) -> ClassEmbeddings:
    """Return the fused embeddings of every word of ``vocabulary``.

    ``t = (1 - α) t_w + α t_a`` (eq. 9), not normalised again; ``t_a`` is shared by the words of a
    class. Several auxiliary texts of a class are averaged and normalised first. A class without
    auxiliary text, such as the background, keeps ``t_w``.

    Parameters
    ----------
    encoder : TextEncoder
        Embeds the words.
    vocabulary : Vocabulary
        Classes, weights α and templates.
    progress : callable, optional
        Called with prompts done and total.
    templates : str or sequence of str, optional
        Templates to use instead of the vocabulary's.
    quick : str or sequence of str, optional
        Fewer templates, for the texts that are not known yet.

    Returns
    -------
    ClassEmbeddings
        In the order of ``vocabulary.words``.
    """
    texts = vocabulary_texts(vocabulary)
    prompts = resolve_templates(vocabulary.templates if templates is None else templates)
    rows = encoder.encode(texts, prompts, progress, quick=quick)
    fused = rows[: len(vocabulary.words)].clone()
    index = torch.tensor(vocabulary.word_class_index, device=fused.device)
    start = len(vocabulary.words)
    for position, prompt in enumerate(vocabulary):
        count = len(prompt.auxiliary_texts)
        if not count:
            continue
        mixed = functional.normalize(rows[start : start + count].mean(dim=0), dim=-1)
        start += count
        alpha = vocabulary.alpha if prompt.alpha is None else prompt.alpha
        own = index == position
        fused[own] = (1 - alpha) * fused[own] + alpha * mixed
    used = {text: encoder.fit_to_context(text, prompts) for text in texts}
    return ClassEmbeddings(
        embeddings=fused,
        word_class_index=tuple(vocabulary.word_class_index),
        words=tuple(vocabulary.words),
        cut_texts={text: cut for text, cut in used.items() if cut != text},
    )
