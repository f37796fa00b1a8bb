import math
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.linear import Linear, model_of
from zoo import Codes, Directions, Scorer
from zoo._utils.progress import silent
from zoo.core.region import parse_region
from zoo.editing.changes import ChangeMeter, Changes, PartMasks, consistency, render_ends
from zoo.editing.locality import Locality, measure_locality, pool_localities
from zoo.editing.steps import VISIBLE_CHANGE, choose_steps, visible_steps
from zoo.models.model import Model
from zoo.plugins.skipped import PluginWarning
from zoo.registry.cards import Card
from zoo.scoring.parts import part_masks
from zoo.testing import draw

TOP = parse_region("top", (2, 1))


def linear(inside: float, outside: float) -> Linear:
    """A 2x1 image: the code's first number moves the upper pixel by `inside` and the lower one by `outside`."""
    return Linear(torch.tensor([[inside, 0.0], [outside, 1.0]]), (2, 1))


def at_first_number(adapter: Linear, count: int = 1, **options: Any) -> Locality:
    [found] = measure_locality(adapter, draw(adapter, count, 0), torch.eye(2)[:1], TOP, **options)
    return found


def pooled(ratios: list[float], outside: list[float]) -> Locality:
    """Pool codes of these ratios, with these changes outside."""
    changes = torch.tensor([[ratio * out, out] for ratio, out in zip(ratios, outside, strict=True)])
    [found] = pool_localities(changes[None], torch.ones(1))
    return found


def test_locality_of_a_linear_generator_is_known() -> None:
    found = at_first_number(linear(0.5, 0.1))
    assert found.value == pytest.approx(25, rel=1e-4)
    assert found.step == pytest.approx(math.sqrt(VISIBLE_CHANGE) / 0.5, rel=1e-3)
    assert found.reached
    assert found.interval is None
    assert found.text() == "25"


def test_to_first_order_the_step_is_small() -> None:
    found = at_first_number(linear(0.5, 0.1), change=1e-3)
    assert found.step == pytest.approx(math.sqrt(1e-3) / 0.5, rel=1e-3)


def test_an_unreachable_change_is_measured_at_the_largest_step_and_marked() -> None:
    found = at_first_number(linear(1e-3, 1e-3))
    assert (found.reached, found.step) == (False, 8.0)
    assert found.value == pytest.approx(1, rel=1e-3)


def test_nothing_outside_is_infinite_and_has_no_json_number() -> None:
    found = at_first_number(linear(0.5, 0.0), count=3)
    assert found.value == math.inf
    assert found.interval == (math.inf, math.inf)
    assert found.text() == "inf (inf–inf)"
    assert (found.as_json()["value"], found.as_json()["interval"]) == (None, [None, None])


def test_a_direction_that_moves_nothing_has_no_locality() -> None:
    found = at_first_number(linear(0.0, 0.0), count=3)
    assert math.isnan(found.value)
    assert not found.reached
    assert (found.text(), found.as_json()["value"]) == ("–", None)


def test_one_code_that_hardly_changes_does_not_decide() -> None:
    """The median of these four ratios is 161; what changes in pictures changes outside as much as inside."""
    found = pooled([13.4, 0.05, 1755, 309], [1e-3, 3e-2, 2e-6, 1e-5])
    assert 0.5 < found.value < 0.8
    assert found.interval is not None
    assert found.interval[0] < found.value < found.interval[1]


def test_the_interval_is_that_of_the_ratio_of_sums() -> None:
    """Of a plain mean, a ratio whose changes outside are all 1, it is that of the normal distribution."""
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64).abs()
    found = pooled(values.tolist(), [1.0] * 400)
    assert found.interval is not None
    error = float(values.std()) / 20
    assert found.value == pytest.approx(float(values.mean()))
    assert found.interval[0] == pytest.approx(found.value - 1.96 * error, abs=0.3 * error)
    assert found.interval[1] == pytest.approx(found.value + 1.96 * error, abs=0.3 * error)
    assert pooled(values.tolist(), [1.0] * 400) == found  # to the last bit


def test_intervals_hold_the_ratio_of_many_codes() -> None:
    """In 200 draws of 32 codes with ratios of a heavy tail, nine of ten intervals hold the true one, 1."""
    generator = torch.Generator().manual_seed(1)
    changes = (0.5 * torch.randn(200, 32, 2, generator=generator, dtype=torch.float64)).exp()
    held = [one.interval for one in pool_localities(changes, torch.ones(200))]
    assert sum(low <= 1 <= high for low, high in filter(None, held)) >= 180


def test_the_step_reaches_the_change_on_a_real_network_shape() -> None:
    adapter = DCGAN.tiny(3)
    code, region = draw(adapter, 1, 0), parse_region("center", adapter.resolution)
    vectors = torch.eye(12)[:4]
    for vector, found in zip(vectors, measure_locality(adapter, code, vectors, region), strict=True):
        if found.reached:
            moved = adapter.synthesize(adapter.move(code, found.step * vector)) - adapter.synthesize(code)
            inside = moved.square().mean(dim=1)[:, torch.from_numpy(region.mask.copy())].mean()
            assert float(inside) == pytest.approx(VISIBLE_CHANGE, rel=5e-3)


def test_the_step_for_several_codes_is_the_median_of_the_first_four() -> None:
    model, directions = tiny()
    codes, region = model.sample(6), model.region("center")
    by_code = [visible_steps(model.adapter, codes[i], directions.vectors, region) for i in range(4)]
    wanted = torch.stack(by_code).sort(dim=0).values[1:3].mean(dim=0)
    torch.testing.assert_close(choose_steps(model.adapter, codes, directions, region), wanted)


def tiny(vectors: Tensor | None = None) -> tuple[Model, Directions]:
    """A small network, and directions of it."""
    adapter = DCGAN.tiny(3)
    rows = torch.eye(12)[:3] if vectors is None else vectors
    return model_of(adapter), Directions(adapter.space, rows, torch.ones(len(rows)))


def changes_of(model: Model, directions: Directions, codes: Codes, region: str, step: float = 2.0) -> Changes:
    steps = torch.full((len(directions),), step, dtype=torch.float64)
    meter = ChangeMeter(model.region(region), steps)
    render_ends(model, codes, directions, steps, [meter], progress=lambda *_: None, what="")
    return meter.result()


def test_what_is_measured_while_codes_are_rendered_is_what_each_code_gives() -> None:
    """20 codes are two batches."""
    model, directions = tiny()
    codes, region = model.sample(20), model.region("center")
    found = changes_of(model, directions, codes, "center")
    steps = torch.full((3,), 2.0)
    wanted = measure_locality(model.adapter, codes, directions.vectors, region, steps=steps)
    inside = torch.from_numpy(region.mask.copy())
    for index, (one, other) in enumerate(zip(found.localities, wanted, strict=True)):
        assert one.value == pytest.approx(other.value, rel=1e-4)
        assert one.interval == pytest.approx(other.interval, rel=1e-4)
        heat = found.by_pixel[index]
        assert float(heat[inside].mean() / heat[~inside].mean()) == pytest.approx(one.value, rel=1e-4)
        moved = model.adapter.move(codes, 2 * directions.vectors[index].float())
        changes = model.adapter.synthesize(moved) - model.adapter.synthesize(codes)
        assert found.consistency is not None
        assert float(found.consistency[index]) == pytest.approx(consistency(changes), rel=1e-4)


def test_the_whole_image_has_no_locality() -> None:
    model, directions = tiny()
    assert changes_of(model, directions, model.sample(2), "all").localities == ()


def test_a_direction_turned_round_repeats_the_first() -> None:
    rows = torch.eye(12)
    model, directions = tiny(torch.stack([rows[0], rows[1], -rows[0], (3 * rows[1] + rows[2]) / 10**0.5]))
    found = changes_of(model, directions, model.sample(8), "center", step=0.1)
    assert found.repeated_by(0) is None
    first, same = found.repeated_by(2) or (None, 0)
    assert first == 0
    assert same == pytest.approx(1, abs=1e-5)
    nearest, cosine = found.repeated_by(3) or (None, 0)
    assert nearest == 1
    assert 0.5 <= cosine < 1


def test_the_cosine_of_changes_is_known_for_a_linear_generator() -> None:
    """Columns of the matrix are the changes; their cosine is 0.6."""
    adapter = Linear(torch.tensor([[1.0, 0.6], [0.0, 0.8]]), (2, 1))
    directions = Directions(adapter.space, torch.eye(2), torch.ones(2))
    found = changes_of(model_of(adapter), directions, draw(adapter, 5, 0), "top")
    assert found.similarity[0, 1] == pytest.approx(0.6, abs=1e-6)
    assert found.repeats_as_json() == [None, {"direction": 0, "cosine": pytest.approx(0.6, abs=1e-6)}]
    assert found.redundancies is not None
    assert found.redundancies.tolist() == pytest.approx([0.6, 0.6], abs=1e-6)
    assert found.redundancy == pytest.approx(0.6, abs=1e-6)
    assert found.consistency is not None
    assert found.consistency.tolist() == pytest.approx([1, 1])


def test_a_part_is_followed_from_image_to_image() -> None:
    """The part is the upper pixel of some images and the lower one of others, and some have none."""
    adapter = linear(0.5, 0.1)
    model, codes = model_of(adapter), draw(adapter, 30, 0)
    directions = Directions(adapter.space, torch.eye(2)[:1], torch.ones(1))
    meant = adapter.synthesize(codes)[:, 0, 1, 0]  # the direction hardly moves the lower pixel

    def find(images: torch.Tensor) -> torch.Tensor:
        value = images[:, 0, 1, 0]
        nearest = (value[:, None] - meant[None]).abs().argmin(dim=1) % 3
        return torch.stack([nearest == 0, nearest == 1], dim=1)[:, :, None]

    steps = torch.tensor([1e-3])
    meter = ChangeMeter(TOP, steps, PartMasks("eye", find))
    render_ends(model, codes, directions, steps, [meter], progress=silent, what="")
    found = meter.result()
    assert found.by_code_in_part is not None
    inside, outside = found.by_code_in_part[0].T.tolist()
    upper, lower = (0.5e-3) ** 2, (0.1e-3) ** 2
    for index in range(30):
        wanted = [(upper, lower), (lower, upper), (0, 0)][index % 3]
        assert (inside[index], outside[index]) == pytest.approx(wanted, rel=1e-2)
    assert found.part_localities[0].value == pytest.approx(1, rel=1e-2)


def test_a_scorer_whose_masks_fail_is_told_of_once() -> None:
    class Broken(Scorer):
        attributes, parts = ("one",), ("mouth",)

        def fits(self, card: Card) -> bool:
            return True

        def score(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(1, 2, 3))[:, None]

        def masks(self, images: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(images), 2)

    model, directions = tiny()
    assert part_masks("hair", model.card, {"broken": Broken()}) is None
    part = part_masks("micah_mouth", model.card, {"broken": Broken()})
    steps = torch.full((len(directions),), 0.1)
    meter = ChangeMeter(model.region("center"), steps, part)
    with pytest.warns(PluginWarning, match=r"broken failed .*masks are float32 on cpu of shape \(\d+, 2\)"):
        render_ends(model, model.sample(2), directions, steps, [meter], progress=silent, what="")
    assert meter.result().part_localities == ()
    for parts in ("mouth", 3, ("mouth", "mouth")):
        Broken.parts = parts  # type: ignore[assignment]
        with pytest.warns(PluginWarning, match="but a list or tuple of different names is needed"):
            assert part_masks("mouth", model.card, {"broken": Broken()}) is None


def test_consistency() -> None:
    adapter = linear(0.5, 0.1)
    codes = draw(adapter, 3, 0)
    changes = adapter.synthesize(adapter.move(codes, torch.eye(2)[0])) - adapter.synthesize(codes)
    assert consistency(changes) == pytest.approx(1)
    assert consistency(changes[:1]) is None
    assert consistency(changes * torch.tensor([1.0, -1.0, 1.0])[:, None, None, None]) == pytest.approx(-1 / 3)
