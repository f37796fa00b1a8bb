"""Images of one and four channels as RGB."""

from __future__ import annotations

import pytest
import torch

from zoo.core import as_rgb
from zoo.core.channels import describe_channels


def test_grey_has_three_equal_channels_and_rgb_stays() -> None:
    images = torch.randn(2, 3, 4, 5)
    assert as_rgb(images) is images
    grey = as_rgb(images[:, :1])
    assert grey.shape == images.shape
    assert torch.equal(grey, images[:, :1].repeat(1, 3, 1, 1))


@pytest.mark.parametrize(
    ("alpha", "opacity"), [(-1.0, 0.0), (1.0, 1.0), (0.0, 0.5), (-0.5, 0.25), (-1.2, -0.1), (1.2, 1.1)]
)
def test_alpha_lays_colours_on_white(alpha: float, opacity: float) -> None:
    colour = torch.tensor([-1.0, 0.2, 0.6])
    pixel = torch.cat([colour, torch.tensor([alpha])]).view(1, 4, 1)
    torch.testing.assert_close(as_rgb(pixel)[0, :, 0], opacity * colour + (1 - opacity))


def test_the_derivative_of_a_transparent_colour_is_zero_and_that_of_alpha_is_half_the_distance_to_white() -> None:
    pixel = torch.tensor([0.2, 0.2, 0.2, -0.4], dtype=torch.float64)
    seen = torch.autograd.functional.jacobian(lambda x: as_rgb(x[None, :, None])[0, :, 0], pixel)
    assert torch.allclose(seen[:, :3], 0.3 * torch.eye(3, dtype=torch.float64))  # opacity
    assert torch.allclose(seen[:, 3], torch.full((3,), (0.2 - 1) / 2, dtype=torch.float64))
    pixel[3] = -1
    seen = torch.autograd.functional.jacobian(lambda x: as_rgb(x[None, :, None])[0, :, 0], pixel)
    assert not seen[:, :3].any()


def test_numbers_of_channels_in_words() -> None:
    assert [describe_channels(count) for count in (1, 3, 4, 5)] == ["1 (grey)", "3 (RGB)", "4 (RGBA)", "5"]
