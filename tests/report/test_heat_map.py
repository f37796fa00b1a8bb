import numpy as np
import pytest
from matplotlib import colormaps

from zoo.report.plots import colour_bar, heat_map, outline_path
from zoo.report.viridis import VIRIDIS


def test_colours_run_from_nothing_to_the_largest_value() -> None:
    found = heat_map(np.array([[0.0, 1.0], [4.0, 2.0]]))
    assert (found.top, found.row, found.column) == (4.0, 1, 0)
    bar = np.asarray(colour_bar().convert("RGB"))[0]
    assert np.array_equal(np.asarray(found.picture.convert("RGB")), bar[[[0, 64], [255, 128]]])


def test_equal_steps_look_equally_large() -> None:
    """Their lightness L* (CIE 1976) rises evenly; a rainbow's rises and falls."""
    encoded = np.asarray(colour_bar().convert("RGB"))[0] / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    steps = np.diff((116 * np.cbrt(luminance) - 16)[::15])
    assert steps.max() < 1.3 * steps.min()


def test_the_colours_are_those_of_matplotlib() -> None:
    wanted = colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    assert wanted.tobytes() == VIRIDIS
    assert np.array_equal(np.asarray(colour_bar().convert("RGB"))[0], wanted)


def test_nothing_changed() -> None:
    found = heat_map(np.zeros((3, 3)))
    assert found.top == 0
    assert set(np.asarray(found.picture).flat) == {0}


def test_large_maps_are_averaged_to_what_is_shown() -> None:
    values = np.random.default_rng(0).random((512, 1024))
    found = heat_map(values)
    assert found.picture.size == (256, 128)
    wanted = values.reshape(128, 4, 256, 4).mean(axis=(1, 3))
    assert found.top == pytest.approx(wanted.max(), rel=1e-5)  # averaged in float32
    assert np.abs(np.asarray(found.picture) - wanted / wanted.max() * 255).max() <= 0.51


def test_the_largest_value_is_told_with_its_own_place() -> None:
    """A lone pixel of 4 averages to 0.25 over 4 x 4, less than a larger patch of 1: both numbers are the patch's."""
    values = np.zeros((512, 1024))
    values[3, 5] = 4.0
    values[400:404, 600:604] = 1.0
    found = heat_map(values)
    assert found.top == 1.0
    assert (found.row, found.column) == (402, 602)


def test_the_outline_is_the_border_between_inside_and_outside() -> None:
    mask = np.zeros((4, 5), dtype=bool)
    mask[1:3, 2:] = True
    assert outline_path(mask) == "M2 1L5 1M2 3L5 3M2 1L2 3"
    assert outline_path(~mask) == outline_path(mask)
    assert outline_path(np.ones((3, 3), dtype=bool)) == ""
    mask[0, 0] = True
    assert outline_path(mask) == "M0 1L1 1M2 1L5 1M2 3L5 3M1 0L1 1M2 1L2 3"
