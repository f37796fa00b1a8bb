"""What users wait for on a GPU: a picture of the studio, and the code of a picture."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import zoo
from benchmarks import studio
from benchmarks.files import FILES
from benchmarks.gpu_checks.results import REMARK, Cell, Settings, attempt
from zoo.core.channels import as_rgb

SEED = 1000  # of the pictures whose codes are sought; the starts of a search have other seeds
FOUND = 60.0  # decibels from which a picture counts as found
DRAGGED = 100  # pictures of the studio that are timed
ABOUT_STUDIO = (
    "Pictures of `zoo studio` while a slider is pulled, each asked for over HTTP and encoded: the median of "
    f"{DRAGGED}. *The network alone* renders the same code without anything of the studio."
)
ABOUT_INVERSION = (
    f"`zoo.project` on an image of the model's own, seed {SEED}. Images of the models in the box must be found to "
    f"{FOUND:.0f} dB. Networks of random weights are searched from one start, and their decibels are for information."
)


def time_studio(settings: Settings) -> Iterator[Cell]:
    """Time pictures of the studio.

    Args:
        settings: How the checks run.

    Yields:
        A row for each model.
    """
    if importlib.util.find_spec("uvicorn") is None:
        yield Cell("the studio", REMARK, "skipped: the extra `studio` is not installed")
        return
    names = (
        ("stylegan2.avatars32",) if settings.quick else ("stylegan2.avatars64", "dcgan.digiface64", "stylegan2-1024")
    )
    for name in names:
        yield from attempt(name, partial(_time_dragging, name, settings), settings, 0 if settings.quick else 20)


def _time_dragging(name: str, settings: Settings) -> Iterator[Cell]:
    count = 5 if settings.quick else DRAGGED
    with tempfile.TemporaryDirectory() as folder:
        model = _model_name(name, Path(folder))
        with studio.running(model, Path(folder) / "runs", settings.device) as server:
            server.work("open", {"model": model})
            result = server.work("analyze", {"model": model, "analyzer": "sefa", "show": 1, "unseen": 1})["id"]
            studio.drag(server, result, 3)  # warms up
            seconds = median(studio.drag(server, result, count))
        alone = studio.network_alone(model, count, settings.device)
    yield Cell(name, "the network alone, ms", f"{1000 * alone:.3g}")
    yield Cell(name, "one picture, ms", f"{1000 * seconds:.3g}")
    yield Cell(name, "pictures a second", f"{1 / seconds:.3g}")


def time_inversion(settings: Settings) -> Iterator[Cell]:
    """Time the search for the code of an image.

    Args:
        settings: How the checks run.

    Yields:
        A row for each model.
    """
    bundled = ("stylegan2.avatars64", "biggan.avatars64", "dcgan.digiface64")
    for name in ("stylegan2.avatars32",) if settings.quick else bundled:
        yield from attempt(name, partial(_time_search, name, settings), settings, 0 if settings.quick else 20)
    if not settings.quick:
        for name in ("stylegan2-256", "stylegan2-1024"):
            yield from attempt(name, partial(_time_search, name, settings), settings, 60)


def _time_search(name: str, settings: Settings) -> Iterator[Cell]:
    with tempfile.TemporaryDirectory() as folder:
        model = zoo.load(_model_name(name, Path(folder)), device=settings.device)
    image = as_rgb(model.render(model.sample_seeds([SEED]))).clamp(-1, 1)
    in_the_box = name not in FILES
    began = time.perf_counter()
    [fit] = zoo.project(model, image, starts=None if in_the_box else 1).fits
    yield Cell(name, "seconds", f"{time.perf_counter() - began:.3g}")
    yield Cell(name, "dB", f"{fit.psnr:.0f}", fit.psnr >= FOUND if in_the_box else None)
    yield Cell(name, "starts", str(fit.starts))


def _model_name(name: str, folder: Path) -> str:
    """Name a model in the box, or write the file of the published size and name that."""
    if name not in FILES:
        return name
    path = folder / f"{name}.pkl"
    FILES[name](path)
    return str(path)
