"""A folder of images, masks and classes, in the forms that people have."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_itaclip.errors import FormatError, ItaclipError
from napari_itaclip.evaluation.benchmarks import BENCHMARKS
from napari_itaclip.evaluation.datasets import find_benchmark
from napari_itaclip.evaluation.folder import find_folder
from napari_itaclip.evaluation.truth import read_labels
from tests.evaluation import trees

DATA = Path(os.environ.get("ITACLIP_DATA", Path(__file__).parents[3] / "shared" / "data"))
DATA_SETS = (
    sorted(folder.name for folder in DATA.iterdir() if (folder / "classes.json").is_file())
    if DATA.is_dir()
    else []
)


def make(folder: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for number, name in enumerate(names):
        trees.put_image(folder / "images" / f"{name}.jpg", number)
        trees.put_mask(folder / "masks" / f"{name}.png", [1, 2, 255])
    return folder


def classes_of(folder: Path) -> list[tuple[int, str, bool]]:
    return [(one.id, one.name, one.background) for one in find_folder(folder).classes]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("classes.json", {"classes": {"1": "road", "2": "palm tree"}, "ignore": 255}),
        ("classes.json", {"classes": {"2": "palm tree", "1": "road"}}),
        ("classes.json", [{"id": 1, "name": "road"}, {"id": 2, "name": "palm tree"}]),
        ("classes.json", {"1": "road", "2": "palm tree"}),
        ("classes.txt", "road\npalm tree\n"),
        ("vocabulary.yaml", "classes:\n  - {name: road, id: 1}\n  - {name: palm tree, id: 2}\n"),
    ],
)
def test_classes_in_many_forms(tmp_path: Path, file: str, content: object) -> None:
    make(tmp_path)
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / file).write_text(text)
    assert classes_of(tmp_path) == [(1, "road", False), (2, "palm tree", False)]
    found = find_folder(tmp_path)
    assert found.vocabulary.names == ("road", "palm tree")
    assert found.vocabulary.ids == (1, 2)
    values = read_labels(found.samples[0].mask)
    assert found.coding.decode(values, "m")[0, :3].tolist() == [0, 1, -1]


def test_background_and_values_that_are_ignored(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(["background", "road", "tree"]))
    assert classes_of(tmp_path) == [
        (0, "background", True), (1, "road", False), (2, "tree", False),
    ]  # fmt: skip
    found = find_folder(tmp_path, ignore=[2, 7])
    assert [one.name for one in found.classes] == ["background", "road"]
    assert found.coding.ignored == {255, 2, 7}
    with pytest.raises(FormatError, match="all classes"):
        find_folder(tmp_path, ignore=[0, 1, 2])


def test_words_beside_a_list_of_names_are_taken(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps({"1": "road", "2": "tree"}))
    (tmp_path / "vocabulary.yaml").write_text(
        "classes:\n  - {name: road, synonyms: [street]}\n  - {name: tree, synonyms: [oak]}\n"
    )
    assert find_folder(tmp_path).vocabulary.words == ("road", "street", "tree", "oak")


def test_images_without_masks_are_told(tmp_path: Path) -> None:
    make(tmp_path, ("day 1/a", "b"))
    trees.put_image(tmp_path / "images" / "c.png")
    (tmp_path / "classes.txt").write_text("road\ntree\n")
    found = find_folder(tmp_path)
    assert [one.name for one in found.samples] == ["b", "day 1/a"]
    assert found.notes == ("1 images have no mask and are left out.",)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    make(tmp_path)
    trees.put_image(tmp_path / "images" / "a.png")
    (tmp_path / "classes.txt").write_text("road\ntree\n")
    with pytest.raises(FormatError, match="same name"):
        find_folder(tmp_path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="there is no folder"):
        find_folder(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"must hold images/, masks/ and classes\.json"):
        find_folder(tmp_path)
    make(tmp_path)
    with pytest.raises(FormatError, match=r"no list of classes.*classes\.json"):
        find_folder(tmp_path)
    (tmp_path / "classes.txt").write_text("road\n")
    for mask in (tmp_path / "masks").iterdir():
        mask.rename(mask.with_name(f"x{mask.name}"))
    with pytest.raises(FormatError, match=r"no image in .* has a mask"):
        find_folder(tmp_path)


def test_a_benchmarks_folder_is_recognised(tmp_path: Path) -> None:
    folder = trees.make_ade(tmp_path, [1, 2])
    with pytest.raises(FormatError, match="evaluate ade20k --data"):
        find_folder(folder)
    assert find_benchmark(BENCHMARKS["ade20k"], folder).name == "ade20k"


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", "7", '{"classes": {"x": "road"}}'])
def test_bad_lists_of_classes_are_errors(tmp_path: Path, text: str) -> None:
    make(tmp_path)
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(ItaclipError, match=r"classes\.json"):
        find_folder(tmp_path)


@pytest.mark.skipif(not DATA_SETS, reason="no data sets beside the checkout")
@pytest.mark.parametrize("name", DATA_SETS)
def test_real_data_sets_can_be_read(name: str) -> None:
    found = find_folder(DATA / name)
    listed = json.loads((DATA / name / "classes.json").read_text())
    assert {str(one.id): one.name for one in found.classes} == listed["classes"]
    assert found.samples
    for sample in found.samples[:3]:
        truth = found.coding.decode(read_labels(sample.mask), sample.name)
        assert truth.max() < len(found.classes)
        assert np.count_nonzero(truth >= 0) > truth.size / 2
