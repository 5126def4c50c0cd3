"""Image engineering: five views, undone and mixed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from napari_itaclip.segmentation.views import VIEW_COUNT, fuse_views, gaussian_blur, make_views


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_views() -> None:
    windows = random(2, 3, 32, 48)
    original, gray, blurred, down, across = make_views(windows).chunk(5)
    assert VIEW_COUNT == 5
    assert torch.equal(original, windows)
    luma = 0.2989 * windows[:, 0] + 0.587 * windows[:, 1] + 0.114 * windows[:, 2]
    for channel in range(3):
        torch.testing.assert_close(gray[:, channel], luma)
    torch.testing.assert_close(blurred, gaussian_blur(windows))
    assert torch.equal(down, windows.flip(2))
    assert torch.equal(across, windows.flip(3))


def test_the_blur_is_a_gaussian_with_mirrored_border() -> None:
    point = torch.zeros(1, 1, 31, 31)
    point[..., 15, 15] = 1
    blurred = gaussian_blur(point)[0, 0]
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-6)
    assert int((blurred > 0).sum()) == 11 * 11
    assert float(blurred[15, 17] / blurred[15, 15]) == pytest.approx(2.718281828 ** (-0.5 * 0.16))
    torch.testing.assert_close(blurred, blurred.t())
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)
    mirrored = torch.cat([ramp[..., 1:6].flip(-1), ramp, ramp[..., -6:-1].flip(-1)], dim=-1)
    torch.testing.assert_close(gaussian_blur(ramp), gaussian_blur(mirrored)[..., 5:-5])
    torch.testing.assert_close(gaussian_blur(torch.ones(1, 3, 16, 16)), torch.ones(1, 3, 16, 16))


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.75, 1.0])
def test_the_mix_undoes_the_flips(lam: float) -> None:
    upright = normalize(random(1, 2, 4, 5, 6), dim=-1)[0]
    views = torch.cat([upright, upright, upright, upright.flip(1), upright.flip(2)])
    torch.testing.assert_close(fuse_views(views, lam), upright)


def test_the_mix_has_the_published_weights() -> None:
    views = random(5, 1, 3, 4, 6)
    original, gray, blurred, down, across = views
    expected = 0.7 * (original + gray + blurred) / 3 + 0.3 * (down.flip(1) + across.flip(2)) / 2
    torch.testing.assert_close(fuse_views(views.flatten(0, 1), 0.7), expected)


def test_a_batch_is_mixed_window_by_window() -> None:
    views = random(5, 3, 2, 2, 4)
    together = fuse_views(views.flatten(0, 1), 0.6)
    for index in range(3):
        torch.testing.assert_close(fuse_views(views[:, index], 0.6), together[index : index + 1])
