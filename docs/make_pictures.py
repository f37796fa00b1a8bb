"""Make every picture of the documents: `python docs/make_pictures.py [NAME …]`.

All but four show `dcgan.digiface64`, with its published weights. The same weights and libraries give the same
pictures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import zoo
from zoo.core import Codes, Region
from zoo.editing import consistency, measure_locality, visible_steps
from zoo.editing.render import render
from zoo.imaging import to_pixels
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, to_image
from zoo.linalg import eigenvectors
from zoo.models import Model

FOLDER = Path(__file__).parent / "images"


def main(names: Sequence[str]) -> None:
    """Make the named pictures, or all of them."""
    model = zoo.load("dcgan.digiface64", device="cpu")
    for name, make in PICTURES.items():
        if not names or name in names:
            with tempfile.TemporaryDirectory() as folder:
                make(model, Path(folder))
                [sheet] = Path(folder).rglob("sheet.png")
                with Image.open(sheet) as picture:
                    picture.save(FOLDER / f"{name}.webp", quality=80, method=6)
            print(f"{name}.webp: {(FOLDER / f'{name}.webp').stat().st_size / 1024:.0f} KiB")


def biggan(_: Model, folder: Path) -> None:
    """The sheet of the README's first command."""
    zoo.analyze(zoo.load("biggan", device="cpu"), "lowrank", region="eyes", samples=32, k=4, out=folder / "run")


def glasses(_: Model, folder: Path) -> None:
    """The edit of the page on bundled models."""
    model = zoo.load("stylegan2.avatars64", device="cpu")
    request: dict[str, Any] = {"region": "eyes", "label": "micah", "samples": 32, "k": 4}
    directions = zoo.analyze(model, "nullspace", **request)
    zoo.edit(model, directions, seeds="1,2,3", label="micah").save(folder / "edit")


def hair_colour(_: Model, folder: Path) -> None:
    """The edit of one attribute, of the page on common tasks."""
    model = zoo.load("stylegan2.avatars64", device="cpu")
    request: dict[str, Any] = {"region": "micah_hair", "label": "micah", "samples": 96, "attributes": "hair_colour"}
    directions = zoo.analyze(model, "ganalyze", **request)
    edit = zoo.edit(model, directions, seeds="1,2,3,5", label="micah", strengths=(-0.8, -0.4, 0.0, 0.4, 0.8))
    edit.save(folder / "edit")


def mouth(model: Model, folder: Path) -> None:
    """The sheet of the README's second command."""
    zoo.analyze(model, "nullspace", region="mouth", samples=32, out=folder / "run")


def first_steps(model: Model, folder: Path) -> None:
    """The sheet of the first steps."""
    zoo.analyze(model, "nullspace", region="mouth", samples=8, show=3, out=folder / "run")


def moving(model: Model, folder: Path) -> None:
    """One code moved along one direction."""
    directions = zoo.analyze(model, "sefa")
    code = model.sample(2, seed=3)[1]
    strengths = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
    tiles = [_tile(image) for image in _moved(model, code, [s * directions.vectors[0] for s in strengths])]
    _save_sheet(folder, [tiles], ["sefa,\ndirection 0"], [f"{s:+g}" for s in strengths])


def regions(model: Model, folder: Path) -> None:
    """Six regions, each with the text that selects it."""
    texts = ("mouth", "eyes+mouth", "not:face", "left", "center", "box:0,0,16,16")
    [image] = to_pixels(render(model, model.sample(2, seed=3)[1]))
    tiles = [OutlinedImage(_dimmed(image, model.region(text)), model.region(text).mask) for text in texts]
    _save_sheet(folder, [tiles], ["the region\nis lit"], texts)


def locality_(model: Model, folder: Path) -> None:
    """The same visible change of the mouth, by an analysis that ignores the rest and by one that does not."""
    code = model.sample(1, seed=0)
    rows, names = [], []
    for analyzer in ("lowrank", "nullspace"):
        vector = _best(model, zoo.analyze(model, analyzer, region="mouth", codes=code), code)
        rows.append(_before_and_after(model, code, vector))
        names.append(f"{analyzer}\nlocality {float(_localities(model, code, vector[None], 0.02)):.2g}")
    _save_sheet(folder, rows, names, ["before", "after", "change"])


def unseen(model: Model, folder: Path) -> None:
    """Where a direction changes the code that it was found at, and codes that were never seen."""
    own, others = model.sample(1, seed=0), model.sample(3, seed=77)
    rows, names = [], []
    for count in (1, 32):
        vector = _best(model, zoo.analyze(model, "nullspace", region="mouth", samples=count, unseen=0), own)
        tiles = [_before_and_after(model, code, vector)[2] for code in (own, *(others[index] for index in range(3)))]
        rows.append(tiles)
        names.append(f"found at\n{count} code{'s' if count > 1 else ''}")
    _save_sheet(folder, rows, names, ["analysed code", "unseen code", "unseen code", "unseen code"])


def strengths(model: Model, folder: Path) -> None:
    """A local edit at growing strength: it is local for small steps only."""
    code = model.sample(1, seed=0)
    vector = _best(model, zoo.analyze(model, "nullspace", region="mouth", codes=code), code)
    [origin, *moved] = _moved(model, code, [s * vector for s in (0.0, 1.0, 2.0, 4.0, 8.0)])
    inside = torch.from_numpy(model.region("mouth").mask.copy())
    ratios = []
    for image in moved:
        squares = (image - origin).square().mean(dim=0)
        ratios.append(float(squares[inside].mean() / squares[~inside].mean()))
    rows = [[_tile(image) for image in moved], [_change(image - origin) for image in moved]]
    headers = [f"step {s}, ratio {ratio:.2g}" for s, ratio in zip((1, 2, 4, 8), ratios, strict=True)]
    _save_sheet(folder, rows, ["image", "change"], headers)


def consistency_(model: Model, folder: Path) -> None:
    """A direction that makes the same change to every code, and one that changes each differently."""
    directions = zoo.analyze(model, "sefa", k=10)
    codes = model.sample(4, seed=3)
    origins = render(model, codes)
    values = []
    for vector in directions.vectors:
        moved = render(model, model.adapter.move(codes, (4 * vector).float()))
        values.append((consistency(moved - origins), moved))
    rows, names = [[_tile(image) for image in origins]], ["before"]
    for value, moved in (max(values, key=_first), min(values, key=_first)):
        rows.append([_tile(image) for image in moved])
        names.append(f"after step 4\nconsistency\n{value:.2g}")
    _save_sheet(folder, rows, names, [f"code {index}" for index in range(4)])


def truncation(model: Model, folder: Path) -> None:
    """The same codes drawn with less and less truncation."""
    values = (1.0, 0.7, 0.4, 0.0)
    rows = [[_tile(image) for image in render(model, model.sample(6, seed=3, truncation=value))] for value in values]
    _save_sheet(folder, rows, [f"truncation\n{value:g}" for value in values], [""] * 6)


def projection(model: Model, folder: Path) -> None:
    """Plot the change of pictures along the eigenvectors of AᵀA, for the declared A and a shuffled one."""
    from matplotlib.figure import Figure

    [part] = model.adapter.projections()
    weight = part.weight.double()
    order = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(0))
    codes = model.sample(8, seed=5)
    origins = render(model, codes)
    chart = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = chart.subplots(1, 2, sharey=True)
    titles = ("the declared projection", "its columns in another order")
    for axis, matrix, title in zip(axes, (weight, weight[:, order]), titles, strict=True):
        values, rows = eigenvectors(matrix.T @ matrix)
        moved = [render(model, model.adapter.move(codes, row.to(codes.latents))) for row in rows]
        changes = [float((images - origins).square().mean()) for images in moved]
        axis.scatter(values, changes, s=10, color="#c2410c")
        axis.set(title=title, xlabel="eigenvalue of AᵀA", xscale="log", yscale="log")
        logarithms = torch.tensor([values.log().tolist(), torch.tensor(changes).log().tolist()])
        axis.text(0.04, 0.92, f"correlation {float(logarithms.corrcoef()[0, 1]):.2f}", transform=axis.transAxes)
    axes[0].set_ylabel("mean squared change, a step of 1")
    chart.savefig(folder / "sheet.png", dpi=140)


def cppn(model: Model, folder: Path) -> None:
    """The last sheet of docs/first-adapter.md: runs the examples of that page."""
    pages, page = FOLDER.parents[1] / "tests" / "support" / "pages.py", FOLDER.parent / "first-adapter.md"
    subprocess.run([sys.executable, "-P", str(pages), str(page), str(folder / "page")], check=True)
    (folder / "page" / "work" / "runs" / "cppn-nullspace-middle" / "sheet.png").rename(folder / "page.png")
    shutil.rmtree(folder / "page")
    (folder / "page.png").rename(folder / "sheet.png")


def photograph(model: Model, folder: Path) -> None:
    """A photograph, what the model draws of it, and an edit of the mouth in both."""
    file = FOLDER / "astronaut.jpg"
    zoo.project(model, file).save(folder / "found")
    directions = zoo.analyze(model, "nullspace", region="mouth", samples=32, seed=1)
    strengths = (1.5, 0.0, -1.5, -3.0)
    edit = zoo.edit(model, directions, codes=folder / "found", onto=file, strengths=strengths)
    edit.save(folder / "edited", video="none")
    [onto] = edit.onto
    files = sorted((folder / "edited").glob("onto-00-astronaut_*.png"))
    shown = [onto.frame.cut(Image.open(one)).resize((128, 128), Image.Resampling.BICUBIC) for one in files]
    images = [to_image(pixels).resize((128, 128)) for pixels in to_pixels(edit.images[0, 0])]
    for name in ("found", "edited"):  # they have sheets of their own
        shutil.rmtree(folder / name)
    rows = [[OutlinedImage(torch.from_numpy(np.array(one))) for one in row] for row in (images, shown)]
    _save_sheet(
        folder, rows, ["what the\nmodel draws", "carried over to\nthe photograph"], [f"{s:+g}" for s in strengths]
    )


def _save_sheet(
    folder: Path, rows: Sequence[Sequence[OutlinedImage]], names: Sequence[str], headers: Sequence[str]
) -> None:
    """Write the one page of a sheet."""
    save_pages(folder, "sheet", draw_pages(names, rows, headers))


PICTURES: dict[str, Callable[[Model, Path], None]] = {
    "biggan": biggan,
    "glasses": glasses,
    "hair-colour": hair_colour,
    "mouth": mouth,
    "first-steps": first_steps,
    "moving": moving,
    "regions": regions,
    "locality": locality_,
    "unseen": unseen,
    "strengths": strengths,
    "consistency": consistency_,
    "truncation": truncation,
    "projection": projection,
    "cppn": cppn,
    "photograph": photograph,
}


def _moved(model: Model, code: Codes, deltas: Sequence[Tensor]) -> Tensor:
    """Render one code moved by each delta: (n, 3, h, w)."""
    return torch.cat([render(model, model.adapter.move(code, delta.float())) for delta in deltas])


def _best(model: Model, directions: zoo.Directions, code: Codes) -> Tensor:
    """Return the most local of the first five directions at a code, to first order."""
    return directions.vectors[_localities(model, code, directions.vectors[:5], 1e-3).argmax()]


def _localities(model: Model, code: Codes, vectors: Tensor, change: float) -> Tensor:
    found = measure_locality(model.adapter, code, vectors, model.region("mouth"), change=change)
    return torch.tensor([one.value for one in found])


def _before_and_after(model: Model, code: Codes, vector: Tensor) -> list[OutlinedImage]:
    region = model.region("mouth")
    [step] = visible_steps(model.adapter, code, vector[None], region, None)
    before, after = _moved(model, code, [0 * vector, step * vector])
    change = _change(after - before)
    return [OutlinedImage(_tile(before).pixels, region.mask), _tile(after), OutlinedImage(change.pixels, region.mask)]


def _tile(image: Tensor) -> OutlinedImage:
    return OutlinedImage(to_pixels(image))


def _change(difference: Tensor) -> OutlinedImage:
    """Show a change (3, h, w) as grey: black is none, white a root mean square of 0.4 or more."""
    strength = difference.square().mean(dim=0).sqrt() / 0.4
    return _tile((2 * strength - 1).expand(3, -1, -1))


def _dimmed(image: Tensor, region: Region) -> Tensor:
    """Darken the pixels outside of a region."""
    return torch.where(torch.from_numpy(region.mask.copy())[..., None], image, image // 3)


def _first(pair: tuple[float | None, Tensor]) -> float:
    return pair[0] or 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
