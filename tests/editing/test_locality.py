import math

import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.linear import Linear
from zoo.core.region import parse_region
from zoo.editing.locality import TARGET_CHANGE, consistency, measure_locality
from zoo.testing import draw


def linear(inside: float, outside: float) -> Linear:
    """A 2x1 image: the code's first number moves the upper pixel by `inside` and the lower one by `outside`."""
    return Linear(torch.tensor([[inside, 0.0], [outside, 1.0]]), (2, 1))


def test_locality_of_a_linear_generator_is_known() -> None:
    adapter = linear(0.5, 0.1)
    [found] = measure_locality(adapter, draw(adapter, 1, 0), torch.eye(2)[:1], parse_region("top", (2, 1)))
    assert found.value == pytest.approx(25, rel=1e-4)
    assert found.step == pytest.approx(math.sqrt(TARGET_CHANGE) / 0.5, rel=1e-3)
    assert found.reached


def test_an_unreachable_change_is_measured_at_the_largest_step_and_marked() -> None:
    adapter = linear(1e-3, 1e-3)
    [found] = measure_locality(adapter, draw(adapter, 1, 0), torch.eye(2)[:1], parse_region("top", (2, 1)))
    assert (found.reached, found.step) == (False, 8.0)
    assert found.value == pytest.approx(1, rel=1e-3)


def test_nothing_outside_is_infinite_and_has_no_json_number() -> None:
    adapter = linear(0.5, 0.0)
    [found] = measure_locality(adapter, draw(adapter, 1, 0), torch.eye(2)[:1], parse_region("top", (2, 1)))
    assert math.isinf(found.value)
    assert found.as_json()["value"] is None


def test_the_step_reaches_the_change_on_a_real_network_shape() -> None:
    adapter = DCGAN.tiny(3)
    code, region = draw(adapter, 1, 0), parse_region("center", adapter.resolution)
    vectors = torch.eye(12)[:4]
    for vector, found in zip(vectors, measure_locality(adapter, code, vectors, region), strict=True):
        if found.reached:
            moved = adapter.synthesize(adapter.move(code, found.step * vector)) - adapter.synthesize(code)
            inside = moved.square().mean(dim=1)[:, torch.from_numpy(region.mask.copy())].mean()
            assert float(inside) == pytest.approx(TARGET_CHANGE, rel=5e-3)


def test_consistency() -> None:
    adapter = linear(0.5, 0.1)
    codes = draw(adapter, 3, 0)
    changes = adapter.synthesize(adapter.move(codes, torch.eye(2)[0])) - adapter.synthesize(codes)
    assert consistency(changes) == pytest.approx(1)
    assert consistency(changes[:1]) is None
    assert consistency(changes * torch.tensor([1.0, -1.0, 1.0])[:, None, None, None]) == pytest.approx(-1 / 3)


def test_a_direction_that_moves_nothing_has_no_locality() -> None:
    adapter = linear(0.0, 0.0)
    [found] = measure_locality(adapter, draw(adapter, 1, 0), torch.eye(2)[:1], parse_region("top", (2, 1)))
    assert math.isnan(found.value)
    assert not found.reached
    assert found.as_json()["value"] is None
