"""Word embeddings: exact, remembered, cut honestly, mixed as the paper says."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from open_clip.model import CLIP
from torch import Tensor
from torch.nn.functional import normalize

from napari_itaclip.clip import text as text_module
from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.clip.text import (
    TextEncoder,
    embed_vocabulary,
    encode_tokens,
    resolve_templates,
)
from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary
from tests.tiny import make_tiny_clip, save_tiny_clip

SHORT = ("a photo of a {}.", "{}")
LONG_TEXT = "a very long and winding description of something, " * 12
HUGE_WORD = "x" * 400


@pytest.fixture(scope="module")
def model(tiny_clip: CLIP, tmp_path_factory: pytest.TempPathFactory) -> ClipModel:
    path = save_tiny_clip(tiny_clip, tmp_path_factory.mktemp("text") / "tiny.safetensors")
    return load_clip(path, device="cpu", precision="float32")


@pytest.fixture
def prompts_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many prompts each run of the text tower reads."""
    counts: list[int] = []
    original = encode_tokens

    def counting(
        model: ClipModel, tokens: Tensor, progress: Callable[[int, int], None] | None = None
    ) -> Tensor:
        counts.append(len(tokens))
        return original(model, tokens, progress)

    monkeypatch.setattr(text_module, "encode_tokens", counting)
    return counts


# ---- exactness -------------------------------------------------------------------------------


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_cutting_at_the_end_token_changes_nothing(tmp_path: Path, quick_gelu: bool) -> None:
    network = make_tiny_clip(64, 2, 16, 32, 32, 128, 3, quick_gelu=quick_gelu)
    path = save_tiny_clip(network, tmp_path / "clip.safetensors")
    model = load_clip(
        path, device="cpu", precision="float32", activation="quick_gelu" if quick_gelu else "gelu"
    )
    texts = ["", "cat", "a photo of a very small dog in the snow.", LONG_TEXT, "cat", HUGE_WORD]
    tokens = model.tokenize(texts)
    with torch.inference_mode():
        expected = normalize(network.encode_text(tokens), dim=-1)
    torch.testing.assert_close(encode_tokens(model, tokens), expected, atol=1e-5, rtol=0)


def test_many_batches_keep_the_order(model: ClipModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'very ' * (index % 7)}number {index}" for index in range(40)]
    tokens = model.tokenize(texts)
    together = encode_tokens(model, tokens)
    monkeypatch.setattr(text_module, "_TOKENS_PER_BATCH", {"cpu": 20})
    steps: list[tuple[int, int]] = []
    apart = encode_tokens(model, tokens, lambda done, total: steps.append((done, total)))
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)
    assert len(steps) > 10
    assert steps == sorted(set(steps))
    assert steps[-1] == (40, 40)


def test_order_and_duplicates(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    one, two = encoder.encode(["cat", "dog"], SHORT)
    rows = encoder.encode(["dog", "cat", "dog", "dog"], SHORT)
    assert torch.equal(rows, torch.stack([two, one, two, two]))
    fresh = TextEncoder(model).encode(["dog", "cat", "dog"], SHORT)
    torch.testing.assert_close(fresh, torch.stack([two, one, two]), atol=1e-6, rtol=0)
    assert encoder.encode([], SHORT).shape == (0, 64)


def test_rows_have_length_one(model: ClipModel) -> None:
    rows = TextEncoder(model).encode(["cat", "dog"], "imagenet-7")
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(2))


def in_bfloat16(model: ClipModel) -> ClipModel:
    """Return the model as it is loaded in that precision: the image tower alone is rounded."""
    network = copy.deepcopy(model.network)
    cast(CLIP, network).visual.bfloat16()
    return dataclasses.replace(model, network=network, dtype=torch.bfloat16)


def test_words_are_never_rounded(model: ClipModel) -> None:
    words = ["cat", "a dog in the snow"]
    ours, theirs = (TextEncoder(m).encode(words) for m in (model, in_bfloat16(model)))
    assert torch.equal(ours, theirs)


# ---- memory ----------------------------------------------------------------------------------


def test_known_words_cost_nothing(model: ClipModel, prompts_read: list[int]) -> None:
    encoder = TextEncoder(model)
    first = encoder.encode(["cat", "dog"], SHORT)
    assert prompts_read == [4]
    assert torch.equal(encoder.encode(["cat", "dog"], SHORT), first)
    assert prompts_read == [4]
    encoder.encode(["cat", "bird"], SHORT)
    assert prompts_read == [4, 2]


def test_known_words_come_from_the_file(
    model: ClipModel, prompts_read: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "words.sqlite"
    first = TextEncoder(model, EmbeddingCache(path)).encode(["cat", "dog"], SHORT)
    again = TextEncoder(model, EmbeddingCache(path)).encode(["dog", "cat"], SHORT)
    assert prompts_read == [4]
    assert torch.equal(again, first.flip(0))


def test_a_damaged_file_costs_only_time(
    model: ClipModel, prompts_read: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "words.sqlite"
    path.write_bytes(b"not a database at all")
    first = TextEncoder(model, EmbeddingCache(path)).encode(["cat"], SHORT)
    torch.testing.assert_close(first, TextEncoder(model).encode(["cat"], SHORT))
    assert prompts_read == [2, 2]


def test_a_vector_of_another_size_is_not_taken(model: ClipModel, prompts_read: list[int]) -> None:
    cache = EmbeddingCache()
    encoder = TextEncoder(model, cache)
    expected = encoder.encode(["cat"], SHORT)
    [key] = cache._memory
    cache.put({key: cache._memory[key][:5]})
    assert torch.equal(encoder.encode(["cat"], SHORT), expected)
    assert prompts_read == [2, 2]


def test_templates_and_models_do_not_mix(
    model: ClipModel, prompts_read: list[int], tmp_path: Path
) -> None:
    other_network = make_tiny_clip(64, 2, 16, 32, text_layers=1, seed=5)
    other = load_clip(
        save_tiny_clip(other_network, tmp_path / "tiny.safetensors"),
        device="cpu",
        precision="float32",
    )
    cache = EmbeddingCache(tmp_path / "words.sqlite")
    rows = [
        TextEncoder(model, cache).encode(["cat"], ("{}",)),
        TextEncoder(model, cache).encode(["cat"], ("a {}",)),
        TextEncoder(model, cache).encode(["cat"], ("{}", "a {}")),
        TextEncoder(other, cache).encode(["cat"], ("{}",)),
    ]
    assert prompts_read == [1, 1, 2, 1]
    assert len({tuple(row[0].tolist()) for row in rows}) == len(rows)
    # The precision of the image tower does not matter to words.
    again = TextEncoder(in_bfloat16(model), cache).encode(["cat"], ("{}",))
    assert torch.equal(again, rows[0])
    assert prompts_read == [1, 1, 2, 1]


def test_two_threads_share_an_encoder(model: ClipModel, tmp_path: Path) -> None:
    encoder = TextEncoder(model, EmbeddingCache(tmp_path / "words.sqlite"))
    words = [f"thing {index}" for index in range(12)]
    expected = TextEncoder(model).encode(words, SHORT)
    results: dict[int, Tensor] = {}

    def work(number: int) -> None:
        order = words if number else words[::-1]
        rows = torch.cat([encoder.encode([word], SHORT) for word in order])
        results[number] = rows if number else rows.flip(0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        torch.testing.assert_close(results[number], expected, atol=1e-6, rtol=0)


def test_progress_counts_prompts_and_is_silent_for_known_words(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    steps: list[tuple[int, int]] = []
    encoder.encode(["cat", "dog"], SHORT, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (4, 4)
    steps.clear()
    encoder.encode(["cat", "dog"], SHORT, lambda done, total: steps.append((done, total)))
    assert steps == []


class StopError(Exception):
    """Raised to break off."""


def test_work_that_is_broken_off_is_not_lost(
    model: ClipModel,
    prompts_read: list[int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Two words make a part; the third part is broken off."""
    monkeypatch.setattr(text_module, "_TOKENS_PER_BATCH", {"cpu": 8})
    words = [f"thing {index}" for index in range(7)]
    steps: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        steps.append((done, total))
        if done > 8:
            raise StopError

    encoder = TextEncoder(model, EmbeddingCache(tmp_path / "words.sqlite"))
    with pytest.raises(StopError):
        encoder.encode(words, SHORT, stop)
    assert prompts_read == [4, 4, 4]
    assert steps == sorted(set(steps))
    assert {total for _, total in steps} == {14}
    assert {done for done, _ in steps} >= {4, 8}

    expected = TextEncoder(model).encode(words, SHORT)
    prompts_read.clear()
    rows = TextEncoder(model, EmbeddingCache(tmp_path / "words.sqlite")).encode(words, SHORT)
    assert sum(prompts_read) == 6
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)
    assert torch.equal(encoder.encode(words, SHORT), rows)


# ---- texts that are too long -----------------------------------------------------------------


@pytest.mark.parametrize("templates", [SHORT, "imagenet-80", ("{}",)])
def test_a_long_text_is_cut_between_words(
    model: ClipModel, templates: str | tuple[str, ...]
) -> None:
    kept = TextEncoder(model).fit_to_context(LONG_TEXT, templates)
    words = LONG_TEXT.split()
    count = len(kept.split())
    assert " ".join(words[:count]).rstrip(",") == kept
    prompts = resolve_templates(templates)
    longest = [max(model.count_tokens(prompt.replace("{}", part)) for prompt in prompts)
               for part in (kept, " ".join(words[: count + 1]))]  # fmt: skip
    assert longest[0] <= model.context_length - 2 < longest[1]


def test_a_text_that_fits_stays_as_it_is(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    for text in ("", " ", "cat", "a striped  animal, with whiskers,", "猫"):
        assert encoder.fit_to_context(text) == text


@pytest.mark.parametrize("text", [HUGE_WORD, "漢字" * 100, f"{HUGE_WORD} and more"])
def test_a_single_huge_word_is_cut_after_as_many_letters_as_fit(
    model: ClipModel, text: str
) -> None:
    encoder = TextEncoder(model)
    kept = encoder.fit_to_context(text, SHORT)
    assert text.startswith(kept)
    assert 1 < len(kept) < len(text.split()[0])
    assert model.count_tokens(f"a photo of a {kept}.") <= model.context_length - 2
    assert model.count_tokens(f"a photo of a {text[: len(kept) + 8]}.") > model.context_length - 2
    found = embed_vocabulary(encoder, Vocabulary([ClassPrompt(text)], templates=SHORT))
    assert found.cut_texts == {text: kept}


def test_a_template_that_leaves_no_room_is_no_crash(model: ClipModel) -> None:
    template = " ".join(["very"] * 80) + " {}"
    rows = TextEncoder(model).encode(["", "cat", "a dog"], (template,))
    assert torch.isfinite(rows).all()


def test_every_word_counts_in_a_text_that_is_cut(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    kept = encoder.fit_to_context(LONG_TEXT, SHORT)
    assert torch.equal(encoder.encode([LONG_TEXT], SHORT), encoder.encode([kept], SHORT))


def test_what_was_cut_is_reported(model: ClipModel) -> None:
    long_text = " ".join(LONG_TEXT.split())
    words = Vocabulary([ClassPrompt("cat", auxiliary=[long_text]), "dog"], templates=SHORT)
    found = embed_vocabulary(TextEncoder(model), words)
    assert list(found.cut_texts) == [long_text]
    assert long_text.startswith(found.cut_texts[long_text])
    assert not embed_vocabulary(TextEncoder(model), Vocabulary(["cat"])).cut_texts


# ---- templates -------------------------------------------------------------------------------


def test_template_sets() -> None:
    assert len(resolve_templates("imagenet-80")) == 80
    assert all(template.count("{}") == 1 for template in resolve_templates("imagenet-80"))
    assert len(resolve_templates("imagenet-7")) == 7
    assert resolve_templates("plain") == ("a photo of a {}.",)
    assert resolve_templates(["a {}"]) == ("a {}",)
    assert resolve_templates("one {} only") == ("one {} only",)


@pytest.mark.parametrize(
    ("templates", "named"),
    [
        (("a photo",), "a photo"),
        (("a {} {}",), "a {} {}"),
        (("{}", "a {name}"), "a {name}"),
        ((), "no templates"),
        ("imagenet-81", "imagenet-81"),
    ],
)
def test_bad_templates_are_refused(
    model: ClipModel, templates: str | tuple[str, ...], named: str
) -> None:
    with pytest.raises(VocabularyError) as caught:
        TextEncoder(model).encode(["cat"], templates)
    assert named in str(caught.value)


def test_braces_in_a_word_are_taken_as_written(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    braces = encoder.encode(["{0}"], ("a {}",))
    plain = encoder.encode(["a {0}"], ("{}",))
    torch.testing.assert_close(braces, plain, atol=1e-6, rtol=0)


# ---- vocabularies ----------------------------------------------------------------------------


def fused(encoder: TextEncoder, *classes: ClassPrompt, alpha: float = 0.25) -> Tensor:
    words = Vocabulary(classes, alpha=alpha, templates=SHORT)
    return embed_vocabulary(encoder, words).embeddings


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_an_auxiliary_text_is_mixed_in_without_normalising(model: ClipModel, alpha: float) -> None:
    encoder = TextEncoder(model)
    cat, kitten, text = encoder.encode(["cat", "kitten", "a small animal"], SHORT)
    rows = fused(encoder, ClassPrompt("cat", ["kitten"], ["a small animal"]), alpha=alpha)
    expected = torch.stack([(1 - alpha) * word + alpha * text for word in (cat, kitten)])
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)


def test_a_class_may_have_its_own_weight(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    own = ClassPrompt("cat", auxiliary=["a small animal"], alpha=0.6)
    other = ClassPrompt("dog", auxiliary=["a loyal animal"])
    rows = fused(encoder, own, other, alpha=0.1)
    cat, small, dog, loyal = encoder.encode(
        ["cat", "a small animal", "dog", "a loyal animal"], SHORT
    )
    expected = torch.stack([0.4 * cat + 0.6 * small, 0.9 * dog + 0.1 * loyal])
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)


def test_several_auxiliary_texts_are_averaged_and_normalised(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    texts = ["a small animal", "it purrs", "it sleeps"]
    rows = fused(encoder, ClassPrompt("cat", auxiliary=texts), ClassPrompt("dog"))
    cat, dog, *parts = encoder.encode(["cat", "dog", *texts], SHORT)
    mixed = normalize(torch.stack(parts).mean(dim=0), dim=-1)
    torch.testing.assert_close(rows[0], 0.75 * cat + 0.25 * mixed, atol=1e-6, rtol=0)
    assert torch.equal(rows[1], dog)


def test_a_switched_off_text_is_left_out(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    off = AuxiliaryText("it purrs", enabled=False)
    one = fused(encoder, ClassPrompt("cat", auxiliary=[off, "a small animal"]), ClassPrompt("dog"))
    assert torch.equal(
        one, fused(encoder, ClassPrompt("cat", auxiliary=["a small animal"]), ClassPrompt("dog"))
    )
    none = fused(encoder, ClassPrompt("cat", auxiliary=[off]), ClassPrompt("dog"))
    assert torch.equal(none, encoder.encode(["cat", "dog"], SHORT))


def test_the_background_stays_unmixed(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    background = ClassPrompt("wall", ["floor"], ["all the rest"], background=True)
    rows = fused(encoder, background, ClassPrompt("cat", auxiliary=["a small animal"]), alpha=0.5)
    assert torch.equal(rows[:2], encoder.encode(["wall", "floor"], SHORT))
    assert not torch.equal(rows[2], encoder.encode(["cat"], SHORT)[0])


def test_words_stay_in_class_order(model: ClipModel) -> None:
    words = Vocabulary(["cat, kitten", "dog", "bird, sparrow, crow"], templates=SHORT)
    found = embed_vocabulary(TextEncoder(model), words)
    assert found.words == ("cat", "kitten", "dog", "bird", "sparrow", "crow")
    assert found.word_class_index == (0, 0, 1, 2, 2, 2)
    assert found.embeddings.shape == (6, 64)


def test_the_network_is_not_changed(model: ClipModel) -> None:
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    TextEncoder(model).encode(["cat"])
    after = cast(dict[str, Tensor], model.network.state_dict())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_quick_templates_stand_in_for_unknown_words_only(model: ClipModel) -> None:
    encoder = TextEncoder(model)
    known = encoder.encode(["road"], "imagenet-7")
    assert encoder.knows(["road"], "imagenet-7")
    assert not encoder.knows(["road", "tree"], "imagenet-7")
    rows = encoder.encode(["road", "tree"], "imagenet-7", quick="plain")
    torch.testing.assert_close(rows[:1], known, rtol=0, atol=0)
    torch.testing.assert_close(rows[1:], encoder.encode(["tree"], "plain"), rtol=0, atol=0)
    assert not encoder.knows(["tree"], "imagenet-7")
    vocabulary = Vocabulary(["road", "tree"], templates="imagenet-7")
    quick = embed_vocabulary(encoder, vocabulary, quick="plain").embeddings
    torch.testing.assert_close(quick, rows, rtol=0, atol=0)
