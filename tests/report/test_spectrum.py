import pytest

from zoo.report.plots import HEIGHT, WIDTH, plot_spectrum


def test_heights_are_logarithms_and_decades_are_named() -> None:
    found = plot_spectrum([50.0, 5.0, 0.5], 2)
    assert found is not None
    assert [text for _, text in found.decades] == ["10⁻¹", "10⁰", "10¹", "10²"]
    assert [y for y, _ in found.decades] == pytest.approx([200, 133.33, 66.67, 0])
    assert [bar.y for bar in found.bars] == [pytest.approx(66.67 * place + 20.07, abs=0.02) for place in range(3)]
    assert [bar.kept for bar in found.bars] == [True, True, False]
    assert found.rank_x is not None
    assert found.rank_x == pytest.approx(2 / 3 * WIDTH, abs=0.01)
    assert [bar.index for bar in found.bars if bar.x < found.rank_x] == [0, 1]


def test_without_a_rank_nothing_is_marked() -> None:
    found = plot_spectrum([2.0, 1.0], None)
    assert found is not None
    assert (found.rank, found.rank_x) == (None, None)
    assert not any(bar.kept for bar in found.bars)


@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_nothing_to_plot(values: list[float]) -> None:
    assert plot_spectrum(values, 0) is None


def test_bars_stay_inside() -> None:
    """Values of 0 have no bar, nor has anything more than eight decades below the first."""
    found = plot_spectrum([3.0, 1.0, 1e-7, 1e-9, 0.0], 5)
    assert found is not None
    assert [bar.index for bar in found.bars] == [0, 1]
    assert all(0 <= bar.y < HEIGHT and bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in found.bars)
    assert found.decades[0] == (HEIGHT, "10⁻⁷")
    assert found.rank_x == WIDTH


@pytest.mark.parametrize(("count", "ticks"), [(1, 1), (7, 4), (100, 5), (512, 6), (1024, 6)])
def test_ticks(count: int, ticks: int) -> None:
    found = plot_spectrum([1.0] * count, None)
    assert found is not None
    assert len(found.ticks) == ticks
    assert found.ticks[0] == (round(WIDTH / count / 2, 2), 0)
    assert len(found.decades) == 2


def test_only_the_leading_values_of_very_many_are_shown() -> None:
    found = plot_spectrum([1.0] * 3000, 2000)
    assert found is not None
    assert (found.count, found.shown, found.rank, found.rank_x) == (3000, 1024, 2000, None)
