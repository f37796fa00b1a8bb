"""How much memory pictures take, and what is refused because it would take too much."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import zoo
from tests.support import fork_server
from tests.support.linear import Linear, model_of
from zoo import Codes, Directions, LatentSpace, Model, OptionError
from zoo.editing.render import MOST_BYTES, render, render_pixels
from zoo.imaging.images import to_pixels

HEAD = """
import re, sys, torch, zoo
from pathlib import Path
from tests.editing.test_memory import large_model, unit
from zoo.editing.samples import Samples
from zoo.editing.locality import visible_steps

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

torch.set_num_threads(1)
out, model = Path(sys.argv[1]), large_model(512)
zoo.edit(model, unit(1), samples=1, strengths=[0.0]).save(out / "first", video="none")
start = peak()
"""
PICTURE = 512 * 512 * 3 / 2**20
"""MiB of one picture as uint8."""


class Squares(Linear):
    """Squares of any size whose contrast is the code's first number: quick to make and to compress, and large."""

    def __init__(self, side: int) -> None:
        super().__init__(torch.zeros(64, 6), (8, 8))
        self.resolution = (side, side)
        squares = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        self.squares = nn.functional.interpolate(squares, (side, side)) if side <= 1024 else None

    def synthesize(self, codes: Codes) -> Tensor:
        assert self.squares is not None, "nothing may be rendered of what is refused"
        return self.squares * (0.1 * codes.latents[:, 0, None, None, None])


def large_model(side: int) -> Model:
    return model_of(Squares(side))


def unit(count: int) -> Directions:
    """Directions that all have a share of the first number."""
    rows = torch.randn(count, 6, generator=torch.Generator().manual_seed(1)).double()
    return Directions(LatentSpace("z", 6), rows / rows.norm(dim=1, keepdim=True), torch.ones(count))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("job", "pictures"),
    [
        pytest.param("zoo.edit(model, unit(1), samples=16).images", 4 * 112, id="edit"),
        pytest.param(
            'zoo.edit(model, unit(1), samples=64).save(out / "e", video="none")',
            0,
            id="sheet",
            marks=pytest.mark.long,
        ),
        pytest.param(
            'zoo.edit(model, unit(1), samples=40).save(out / "e", each=True, video="none")',
            0,
            id="edit-each",
            marks=pytest.mark.long,
        ),
        pytest.param(
            'zoo.sample(model, samples=200).save(out / "s", each=True)', 0, id="samples-each", marks=pytest.mark.long
        ),
        pytest.param('Samples(model.sample(128), model).save(out / "s")', 0, id="samples", marks=pytest.mark.long),
        pytest.param(
            'zoo.compare(unit(10), unit(10), model=model, samples=2, top=8).save(out / "c")',
            160,
            id="comparison",
            marks=pytest.mark.long,
        ),
        pytest.param(
            'visible_steps(model.adapter, model.sample(1), unit(96).vectors, model.region("all"))',
            0,
            id="strengths",
            marks=pytest.mark.long,
        ),
    ],
)
def test_nothing_is_kept_but_the_pictures_themselves(job: str, pictures: int, tmp_path: Path) -> None:
    """Beyond those: a batch of 16 as float32, its conversion and a page, 48 MiB each, and what the allocator keeps.

    The bound leaves room for that; holding all images as float32 as well takes 1,300 MiB and more in each case.
    """
    done = subprocess.run(
        [fork_server.python(), "-c", f"{HEAD}\n{job}\nprint(peak() - start)", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < pictures * PICTURE + 500


def test_pixels_are_those_of_the_images() -> None:
    model = large_model(16)
    codes = model.sample(37)
    images = render(model, codes)
    with torch.no_grad():
        assert torch.equal(images, model.adapter.synthesize(codes))
    wanted = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    assert torch.equal(render_pixels(model, codes), wanted)
    kept = images.clone()
    assert torch.equal(to_pixels(images), wanted) and torch.equal(images, kept)


def test_what_does_not_fit_is_refused_before_it_is_rendered(tmp_path: Path) -> None:
    model, one = large_model(2048), unit(10)
    most = MOST_BYTES // (2048 * 2048 * 3 * 4)
    with pytest.raises(OptionError, match=f"^56 pictures of 2048 x 2048 pixels .* at most {most}: take fewer"):
        _ = zoo.edit(model, one, samples=8).images
    with pytest.raises(OptionError, match=r"^300 pictures .*: take fewer codes or a smaller --top$"):
        zoo.compare(one, one, model=model, samples=3)
    with pytest.raises(OptionError, match=r"^60 pictures .*: take fewer codes$"):
        _ = zoo.sample(model, samples=60).images
    with pytest.raises(OptionError, match=r"^220 pictures .*: take fewer codes, or pass --each"):
        zoo.sample(model, samples=220).save(tmp_path / "s", size="native")
    with pytest.raises(OptionError, match=r"^--frames 50 with pictures of 2048 pixels, 16 in a frame, are too many"):
        zoo.edit(model, one, samples=8, indices=[0, 1]).save(tmp_path / "e", size="native")
    assert not list(tmp_path.iterdir())
