"""The benchmark compares what computes the same thing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from benchmarks import nvidia, process_time
from benchmarks.floors import measure as measure_floors
from benchmarks.jacobian import deviation
from benchmarks.official import STUDIOGAN, biggan_deep, studiogan
from benchmarks.products import compute_all, memory_for, products_of
from benchmarks.ways import BASE, CARD_ONLY, CASES, SEARCH, WAYS, Case, Inspected, Task, floor
from tests.support.families import families
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.core.region import Region, parse_region
from zoo.testing import draw, render

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")  # torch's forward mode warns of itself


class Tiny(Case):
    def open(self, device: str) -> tuple[Adapter, Region]:
        adapter = DCGAN.tiny(0)
        return adapter, parse_region(self.region, adapter.resolution)


def wanted(case: Case) -> Tensor:
    """The columns that are compared, by reverse mode in float64."""
    exact = Task(case, "cpu", quick=True, folder=Path(), exact=True)
    matrix = torch.autograd.functional.jacobian(exact.function, exact.origin)
    assert isinstance(matrix, Tensor)
    return matrix[:, exact.columns]


@pytest.mark.parametrize("region", mostly_long(["all", "box:1,2,9,8"], ("box:1,2,9,8",)))
@pytest.mark.parametrize("title", [title for title in WAYS if title != CARD_ONLY])
def test_every_way_finds_the_same(title: str, region: str, tmp_path: Path) -> None:
    case = Tiny("tiny", region)
    task = Task(case, "cpu", quick=True, folder=tmp_path)
    found = WAYS[title](task)()
    off = deviation(found, task, wanted(case))
    if title in {BASE, SEARCH, "the convolutions alone"}:
        assert off is None
    else:
        assert off is not None and off < 1e-5
        assert (found.rows is None) == (found.seconds is None)


def test_a_wrong_jacobian_deviates() -> None:
    case = Tiny("tiny", "all")
    task, right = Task(case, "cpu", quick=True, folder=Path()), wanted(case)
    rows = torch.zeros(task.rows, task.dim)
    rows[:, task.columns] = 1.01 * right.float()
    off = deviation(Inspected(rows), task, right)
    assert off is not None and math.isclose(off, 0.01, rel_tol=1e-3)


def test_the_floor_is_the_convolutions_of_every_column_and_no_more() -> None:
    """A transposed convolution multiplies each input number with its window of every output channel."""
    task = Task(Tiny("tiny", "all"), "cpu", quick=True, folder=Path())
    work = floor(task)
    with FlopCounterMode(display=False) as counter:
        work()
    widths, sides = DCGAN.tiny(0).network.widths, [1, 4, 8]
    macs = sum(16 * wide * narrow * side**2 for (wide, narrow), side in zip(pairwise(widths), sides, strict=True))
    assert counter.get_total_flops() == 2 * macs * task.dim


def test_products_are_computed_again_on_tensors_that_lie_alike() -> None:
    adapter = DCGAN.tiny(0)
    images, weights = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last), torch.rand(5, 3, 3, 3)
    products = products_of(lambda: (torch.conv2d(images, weights).relu(), images.sum(), weights[0, 0] @ weights[0, 1]))
    assert [product.operation._schema.name for product in products] == ["aten::convolution", "aten::mm"]
    memory = memory_for(products, images)
    assert [layout.fill(memory).stride() for layout in products[0].layouts] == [images.stride(), weights.stride()]
    with FlopCounterMode(display=False) as counter:
        compute_all(products, memory)
    assert counter.get_total_flops() == 2 * (2 * 5 * 4 * 27 + 27)
    assert [work for work in measure_floors(model_of(adapter), 2, 2, 1) if work <= 0] == []


def test_cases_name_regions_that_there_are() -> None:
    for case in CASES.values():
        if case.region != "mouth":
            assert parse_region(case.region, (128, 128)).mask.any()


@pytest.mark.parametrize(
    ("make", "told", "arguments"),
    [
        pytest.param(nvidia.pggan_variables, ("pggan", "tensorflow"), "static_kwargs", marks=pytest.mark.long),
        pytest.param(nvidia.stylegan_variables, ("stylegan", "tensorflow"), "static_kwargs", marks=pytest.mark.long),
        (nvidia.stylegan2_state, ("stylegan2", "nvidia"), "_init_kwargs"),
    ],
)
def test_networks_as_the_official_files_keep_them(
    make: Callable[[int], tuple[dict[str, Tensor], dict[str, Any]]],
    told: tuple[str, str],
    arguments: str,
) -> None:
    """They open, and their pictures are neither flat nor far beyond [-1, 1]."""
    prefix = "G_ema." if arguments == "_init_kwargs" else "Gs."
    plain, kwargs = make(16)
    state, meta = (
        {prefix + key: tensor for key, tensor in plain.items()},
        settings_below(f"{prefix}{arguments}", kwargs),
    )
    found = detect_network(families(), state, meta)
    assert (found.family, found.layout.name) == told
    converted, config = found.convert()
    adapter = families()[found.family].load(converted, config)
    assert adapter.space.dim == 512
    images = render(adapter, draw(adapter, 2, 0))
    assert images.shape == (2, 3, 16, 16)
    assert 0.02 < float(images.std()) < 0.8


def settings_below(prefix: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten arguments as they come out of a pickle."""
    found: dict[str, Any] = {}
    for name, value in kwargs.items():
        found |= (
            settings_below(f"{prefix}.{name}", value) if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
        )
    return found


@pytest.mark.parametrize("kind", mostly_long(["deep", *STUDIOGAN], ("sngan",)))
def test_files_that_are_drawn_give_pictures_that_are_not_saturated(kind: str, tmp_path: Path) -> None:
    official = biggan_deep(128, width=8, classes=5) if kind == "deep" else studiogan(kind, 64, width=8, classes=5)
    model = zoo.load(official.save(tmp_path / "file.pth"), device="cpu")
    with torch.no_grad():
        images = model.adapter.synthesize(model.sample(4))
    assert 0.1 < float(images.std()) < 0.8
    assert float((images.abs() > 0.95).float().mean()) < 0.1
    assert float((images[0] - images[1]).std()) > 0.01


def test_the_outermost_imports_are_listed_and_those_inside_of_zoo() -> None:
    """A module follows those that it imports, two spaces further to the left."""
    log = """\
import time: self [us] | cumulative | imported package
import time:     50000 |      50000 |       yaml._cyaml
import time:     10000 |      60000 |     yaml
import time:     10000 |      70000 |   zoo.registry
import time:      1000 |       1000 |   textwrap
import time:   2000000 |    2000000 |   torch
import time:       100 |    2071100 | zoo.cli
a line of the program itself
"""
    assert process_time.outermost(log) == [("yaml", 0.06)]
