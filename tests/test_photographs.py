"""The whole way from photographs to files, with a checkpoint whose words mean nothing.

The machinery is what counts here: real files of several data sets, sizes and formats go in, and
label maps that other libraries read come out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from napari_itaclip.cli import run
from tests import golden_format as gf

GOLDEN = gf.golden_folder()
DATA = Path(os.environ.get("ITACLIP_DATA", Path(__file__).parents[2] / "shared" / "data"))
DATA_SETS = (
    sorted(folder.name for folder in DATA.iterdir() if folder.is_dir()) if DATA.is_dir() else []
)

pytestmark = pytest.mark.skipif(
    GOLDEN is None, reason="needs the small checkpoint of the golden folder"
)


def segment(capsys: pytest.CaptureFixture[str], images: list[Path], output: Path) -> list[dict]:  # type: ignore[type-arg]
    assert GOLDEN is not None
    code = run(
        [
            "segment",
            *map(str, images),
            "--classes",
            "road, street; building; tree, bush; cell",
            "--checkpoint",
            str(gf.checkpoint_path(GOLDEN)),
            "--precision",
            "float32",
            "--device",
            "cpu",
            "--preset",
            "draft",
            "--output",
            str(output),
            "--json",
        ]
    )
    assert code == 0
    reports: list[dict] = json.loads(capsys.readouterr().out)  # type: ignore[type-arg]
    return reports


def check(reports: list[dict], images: list[Path]) -> None:  # type: ignore[type-arg]
    for path, report in zip(images, reports, strict=True):
        labels = np.asarray(Image.open(report["files"]["labels"]))
        with Image.open(path) as image:
            assert labels.shape == image.size[::-1]
        assert set(np.unique(labels)) <= {1, 2, 3, 4}
        shares = [row["share"] for row in report["classes"]]
        assert sum(shares) == pytest.approx(1)
        pixels = {row["id"]: row["pixels"] for row in report["classes"]}
        assert pixels == {id_: int((labels == id_).sum()) for id_ in pixels}
        legend = json.loads(Path(report["files"]["legend"]).read_text(encoding="utf-8"))
        assert [row["name"] for row in legend["classes"]][:2] == ["road", "building"]


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket", "camera"])
def test_photographs_of_scikit_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / f"{name}.png"
    Image.fromarray(getattr(skimage.data, name)()).save(path)
    check(segment(capsys, [path], tmp_path / "out"), [path])


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_photographs_of_data_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data_set: str
) -> None:
    images = sorted((DATA / data_set / "images").iterdir())[:2]
    check(segment(capsys, images, tmp_path / "out"), images)
