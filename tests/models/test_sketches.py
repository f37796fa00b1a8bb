"""Results worked out without torch are those that torch works out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.support.families import families
from tests.support.marks import mostly_long
from zoo._utils.dispatch import EagerDispatchMode
from zoo.models import cost
from zoo.models.cost import image_cost
from zoo.models.sketches import broadcast, result_of

LAST = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
WORKS: dict[str, Callable[[], object]] = {
    "same shapes": lambda: torch.rand(2, 3) * torch.rand(2, 3),
    "a number": lambda: torch.rand(2, 3) / 2,
    "a number first": lambda: 2 - torch.rand(2, 3),
    "powers": lambda: torch.rand(2, 3) ** 2,
    "smaller shapes": lambda: LAST + torch.rand(3, 1, 1),
    "both grow": lambda: torch.rand(2, 1) + torch.rand(1, 3),
    "three": lambda: torch.addcmul(torch.rand(3, 1, 1), LAST, torch.rand(2, 3, 1, 1)),
    "channels last": lambda: torch.nn.functional.leaky_relu(LAST, 0.2),
    "steps": torch.rand(4, 6)[:, ::2].tanh,
    "no dimensions": lambda: torch.rand(()) + torch.rand(2),
    "two types": lambda: torch.rand(2) + torch.rand(2).double(),
    "comparison": lambda: torch.rand(2) > torch.rand(2),
    "integers": lambda: torch.arange(3) / 2,
    "in place": lambda: torch.rand(2, 3).mul_(torch.rand(3)),
    "another factor": lambda: torch.add(torch.rand(2), torch.rand(2), alpha=2),
    "matrices": lambda: torch.addmm(torch.rand(4), torch.rand(2, 3), torch.rand(3, 4)),
    "means": lambda: (
        LAST.mean(dim=(2, 3), keepdim=True),
        LAST.mean(dim=-1),
        LAST.mean(),
        LAST.mean(1, dtype=torch.double),
    ),
}
# For these, torch is asked.
ASKED = {
    *("both grow", "steps", "two types", "comparison", "integers", "in place", "another factor"),
    "a mean of another type",
}


def sketch(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


class Comparing(EagerDispatchMode):
    """Compares each result with what `result_of` says; counts those that it knows."""

    known = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        sketched = [sketch(arg) if isinstance(arg, Tensor) else arg for arg in args]
        said = None if kwargs else result_of(func, sketched)
        if said is not None:
            self.known += 1
            assert (said.shape, said.dtype, said.stride()) == (result.shape, result.dtype, result.stride()), func
        return result


@pytest.mark.parametrize("what", WORKS)
def test_results_are_those_of_torch(what: str) -> None:
    with Comparing() as comparing:  # type: ignore[no-untyped-call]
        WORKS[what]()
    assert bool(comparing.known) == (what not in ASKED)


def test_shapes_that_do_not_fit_are_left_to_torch() -> None:
    assert broadcast([(2, 3), (4, 3)]) is None
    assert broadcast([(2, 1), (3,), ()]) == (2, 3)
    meta = torch.empty(2, 3, device="meta")
    assert result_of(torch.ops.aten.mul.Tensor, [meta, meta.T]) is None
    assert result_of(torch.ops.aten.addmm.default, [meta[0], meta, meta]) is None
    assert result_of(torch.ops.aten.mean.dim, [meta, [2]]) is None


@pytest.mark.parametrize("family", mostly_long(sorted(families()), ("biggan", "dcgan", "stylegan2", "stylegan3")))
def test_costs_are_those_that_torch_alone_leads_to(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = image_cost(families()[family].tiny(0))
    monkeypatch.setattr(cost, "result_of", lambda func, args: None)
    assert found == image_cost(families()[family].tiny(0))
