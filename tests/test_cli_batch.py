"""``napari-itaclip batch``: what it prints, writes and answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from napari_itaclip._cli.batch import batch, duration
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import ItaclipError, SettingsError, VocabularyError
from tests.batch.world import save_pictures
from tests.cli_runner import _own_world as _own_world
from tests.tiny import make_tiny_clip, save_tiny_clip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = make_tiny_clip(64, 2, 32, 224, 32, 64, 1)
    return save_tiny_clip(network, tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def run(weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the command with a tiny model; ``in`` holds three pictures."""
    monkeypatch.setenv("COLUMNS", "300")
    save_pictures(Path("in"), 3)
    app = typer.Typer()
    app.command()(batch)
    common = ["--checkpoint", str(weights), "--device", "cpu", "--precision", "float32"]
    common += ["--preset", "draft"]

    def call(*arguments: object, words: str | None = "sky; tree") -> tuple[int, str, str]:
        given = [str(one) for one in arguments]
        given += [] if words is None else ["--classes", words]
        code = 0
        try:
            app(args=[*common, *given], prog_name="batch")
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def test_a_folder_goes_in_and_two_data_sets_come_out(run: Run) -> None:
    code, out, err = run("in", "--export", "voc:out/voc", "--export", "png:out/png")
    assert code == 0
    assert "voc  out/voc  3 images" in out
    assert "3 images labelled" in err
    assert len(list(Path("out/voc/SegmentationClass").iterdir())) == 3
    assert len(list(Path("out/png/labels").iterdir())) == 3
    code, _, err = run("in", "--export", "voc:out/voc", "--export", "png:out/png")
    assert code == 0
    assert "3 images finished before" in err


def test_problems_are_listed_and_the_exit_code_tells(run: Run) -> None:
    Path("in/bad\x1b[2J.png").write_text("no image")
    code, _, err = run("in", "--export", "png:out")
    assert code == 1
    assert "1 image could not be labelled" in err
    assert r"bad\x1b[2J: " in err
    assert "\x1b[2J" not in err
    assert "problems.json" in err
    assert len(BatchState.find("out").items()) == 3


def test_json(run: Run) -> None:
    code, out, _ = run("in", "--export", "png:out", "--no-images", "--limit", 2, "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["done"], report["left"], report["failed"]) == (2, 1, [])
    assert not Path("out/images").exists()


def test_kept_images_are_named(run: Run) -> None:
    run("in", "--export", "png:out")
    Path("out/labels/image 001.png").write_bytes(b"mine")
    code, _, err = run("in", "--export", "png:out")
    assert code == 0
    assert "image 001: a person has changed the png files" in err
    code, _, err = run("in", "--export", "png:out", "--redo-edited")
    assert "1 image labelled" in err


def test_a_path_with_colons(run: Run) -> None:
    assert run("in", "--export", "png:odd:name")[0] == 0
    assert Path("odd:name/labels").is_dir()


@pytest.mark.parametrize(
    ("arguments", "words", "error", "message"),
    [
        ([], "sky", SettingsError, "--export"),
        (["--export", "voc"], "sky", SettingsError, "FORMAT:FOLDER"),
        (["--export", "nothing:out"], "sky", SettingsError, "nothing"),
        (["--export", "voc:a", "--export", "voc:b"], "sky", SettingsError, "twice"),
        (["--export", "voc:out"], None, SettingsError, "--classes"),
        (["--export", "voc:out", "--model", "demo"], "sky", SettingsError, "not both"),
        (["--export", "voc:out", "--scale", "2"], "sky", SettingsError, "scale"),
        (["--export", "voc:out", "--limit", "0"], "sky", SettingsError, "limit"),
        (["--export", "voc:out"], ";", VocabularyError, "empty"),
        (["--export", "voc:out", "nowhere"], "sky", SettingsError, "no file or folder nowhere"),
    ],
)
def test_wrong_commands(
    run: Run, arguments: list[str], words: str | None, error: type[ItaclipError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run("in", *arguments, words=words)
    assert not Path("out").exists() or not list(Path("out").rglob("*.png"))


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_itaclip.batch.run.run_batch", interrupted)
    code, _, err = run("in", "--export", "png:out")
    assert code == 1
    assert "run the same command again" in err


def test_the_help_names_every_format_that_can_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_itaclip.formats.registry import FORMATS

    code, out, _ = run("--help")
    assert code == 0
    told = " ".join(out.split())
    names = told.partition("Formats: ")[2].partition(".")[0].split(", ")
    assert set(names) == {name for name, one in FORMATS.items() if one.render is not None}


def test_nothing_is_made_for_a_batch_without_images(run: Run) -> None:
    Path("empty").mkdir()
    with pytest.raises(SettingsError, match="no images in empty"):
        run("empty", "--export", "voc:out")
    assert not Path("out").exists()


def test_the_help_loads_no_torch() -> None:
    import subprocess

    code = "import sys, napari_itaclip._cli.batch; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (75, "1 min 15 s"), (7505, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
