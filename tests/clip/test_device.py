"""Devices and precisions: what exists, what ``auto`` chooses, what is refused."""

from __future__ import annotations

import pytest
import torch

from napari_itaclip.clip import device as devices
from napari_itaclip.clip.device import (
    available_devices,
    cpu_bfloat16_gain,
    resolve_device,
    resolve_precision,
)
from napari_itaclip.errors import SettingsError

CPU = torch.device("cpu")


@pytest.fixture
def only_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_has_cuda", lambda: False)
    monkeypatch.setattr(devices, "_has_mps", lambda: False)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_has_cuda", lambda: True)
    monkeypatch.setattr(devices, "_has_mps", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("only_cpu")
def test_without_a_card_auto_is_the_cpu() -> None:
    assert available_devices() == ("cpu",)
    assert resolve_device() == resolve_device("CPU") == resolve_device(CPU) == CPU


@pytest.mark.usefixtures("only_cpu")
@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps"])
def test_a_missing_device_is_named_with_what_there_is(wanted: str) -> None:
    with pytest.raises(SettingsError, match=f"'{wanted}' is not available.*this computer has cpu"):
        resolve_device(wanted)


@pytest.mark.usefixtures("two_cards")
def test_with_cards_auto_is_the_first_one() -> None:
    assert resolve_device() == resolve_device("cuda") == torch.device("cuda:0")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SettingsError, match=r"has cuda:0, cuda:1, cpu"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:x", "cuda:-1", "tpu:0", ""])
@pytest.mark.usefixtures("two_cards")
def test_an_unknown_device_is_refused(wanted: str) -> None:
    with pytest.raises(SettingsError, match="unknown device"):
        resolve_device(wanted)


def test_a_second_cpu_is_refused() -> None:
    with pytest.raises(SettingsError, match="only one cpu"):
        resolve_device("cpu:1")


@pytest.mark.parametrize(("gain", "chosen"), [(0.2, torch.float32), (1.2, torch.float32)])
def test_auto_on_a_cpu_stays_in_float32_without_a_gain(
    gain: float, chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cpu_bfloat16_gain", lambda: gain)
    assert resolve_precision("auto", CPU) == chosen


def test_auto_on_a_cpu_takes_bfloat16_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cpu_bfloat16_gain", lambda: 1.5)
    assert resolve_precision("auto", CPU) == torch.bfloat16


def test_auto_on_mps_is_float32() -> None:
    assert resolve_precision("auto", torch.device("mps")) == torch.float32
    assert resolve_precision("float16", torch.device("mps")) == torch.float16


def test_named_precisions() -> None:
    assert resolve_precision("float32", CPU) == torch.float32
    assert resolve_precision(torch.bfloat16, CPU) == torch.bfloat16
    with pytest.raises(SettingsError, match=r"unknown precision 'half'.*bfloat16"):
        resolve_precision("half", CPU)
    with pytest.raises(SettingsError, match="slower than float32 on a CPU"):
        resolve_precision("float16", CPU)


def test_the_measurement_is_made_once() -> None:
    gain = cpu_bfloat16_gain()
    assert 0 <= gain < 100
    assert cpu_bfloat16_gain() == gain


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_on_a_card_is_half_precision() -> None:
    assert resolve_precision("auto", resolve_device("cuda")) in (torch.bfloat16, torch.float16)
