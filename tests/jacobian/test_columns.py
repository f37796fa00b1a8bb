import pytest
import torch
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.linear import Linear
from zoo import CapabilityError, Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import parse_region
from zoo.jacobian.columns import default_chunk, jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.outputs import RGB
from zoo.testing import draw


@pytest.fixture(scope="module")
def adapter() -> DCGAN:
    return DCGAN.tiny(1)


def test_the_jacobian_of_a_linear_generator_is_its_matrix() -> None:
    adapter = Linear.tiny(0)
    region = parse_region("box:1,2,3,4", adapter.resolution)
    found = jacobian(adapter, draw(adapter, 1, 0), region)
    assert torch.allclose(found, adapter.network.get_parameter("weight")[region.pixels], atol=1e-6)


def test_colour_rows_average_to_grey_rows(adapter: DCGAN) -> None:
    code, region = draw(adapter, 1, 0), parse_region("center", adapter.resolution)
    colour = jacobian(adapter, code, region, output=RGB)
    grey = jacobian(adapter, code, region)
    assert torch.allclose(colour.view(len(grey), 3, -1).mean(dim=1), grey, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 5, 12])
def test_equal_chunks_are_bit_equal_and_other_chunks_agree(adapter: DCGAN, chunk: int) -> None:
    code, region = draw(adapter, 1, 0), parse_region("all", adapter.resolution)
    first, again = (jacobian(adapter, code, region, budget=ComputeBudget(chunk=chunk)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.allclose(first, jacobian(adapter, code, region), atol=1e-5 * float(first.abs().max()))


def test_gram_matrices_are_means_over_pixels_and_codes(adapter: DCGAN) -> None:
    codes = draw(adapter, 3, 0)
    regions = [parse_region(text, adapter.resolution) for text in ("top", "box:2,2,5,5")]
    found = gram_matrices(adapter, codes, regions).matrices
    for region, matrix in zip(regions, found, strict=True):
        rows = [jacobian(adapter, codes[index], region).double() for index in range(3)]
        wanted = torch.stack([part.T @ part / len(part) for part in rows]).mean(dim=0)
        assert torch.allclose(matrix, wanted, rtol=1e-5, atol=1e-7 * float(wanted.abs().max()))


def test_fewer_tangents_at_a_time_for_larger_images(adapter: DCGAN) -> None:
    assert default_chunk(adapter) == adapter.space.dim
    adapter_large = DCGAN.tiny(0)
    adapter_large.resolution = (1024, 1024)
    assert default_chunk(adapter_large) == 4


def test_a_network_without_forward_mode_is_told_apart() -> None:
    class Round(torch.autograd.Function):
        @staticmethod
        def forward(value: Tensor) -> Tensor:
            return value.round()

        @staticmethod
        def setup_context(ctx: object, inputs: object, output: object) -> None:
            pass

    class Stubborn(Linear):
        def synthesize(self, codes: Codes) -> Tensor:
            rounded: Tensor = Round.apply(super().synthesize(codes))
            return rounded

    adapter = Stubborn.tiny(0)
    with pytest.raises(CapabilityError, match="no forward-mode derivative"):
        jacobian(adapter, draw(adapter, 1, 0), parse_region("all", adapter.resolution))
