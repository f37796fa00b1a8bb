"""Commands that do again what the studio did: each is written from the request that is carried out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from zoo.analysis.request import AnalysisRequest, command_of, split_options
from zoo.editing.edit_request import EditRequest
from zoo.editing.requests import CodesRequest, OpeningRequest
from zoo.editing.samples import SampleRequest
from zoo.models.model import Model
from zoo.registry.registry import Installation


def analysis_command(
    request: AnalysisRequest,
    model: Model,
    installation: Installation,
    opening: OpeningRequest,
    *,
    memory: str | int | None,
    out: Path | None = None,
    files: Sequence[str] = (),
) -> str:
    """Write the command of an analysis.

    Args:
        request: The request, with all options.
        model: The model.
        installation: The plugins and the registry.
        opening: How the model was opened.
        memory: How much derivatives may use.
        out: The folder that is written; None leaves it to the command.
        files: What is written beside the usual files: ``npy`` and ``each``.

    Returns:
        The line.
    """
    own, _ = split_options(request, installation, model.card)
    words = [f"--{name}" for name in ("npy", "each") if name in files]
    return completed(command_of(own, model), opening, installation, words, memory=memory, out=out)


def completed(
    command: str | None,
    opening: OpeningRequest,
    installation: Installation,
    words: Sequence[str] = (),
    *,
    memory: str | int | None,
    out: Path | None = None,
) -> str:
    """Add to a recorded command what does not belong to its result.

    Args:
        command: The line that was recorded.
        opening: How the model was opened.
        installation: The plugins and the registry.
        words: Further options.
        memory: How much derivatives may use.
        out: The folder that is written; None leaves it to the command.

    Returns:
        The line.
    """
    added = [*_flags(device=_device(opening), memory=memory, out=out), *words, *_registries(installation)]
    return " ".join(filter(None, (command, shlex.join(added))))


def edit_command(request: EditRequest, installation: Installation) -> str:
    """Write the command of an edit.

    Args:
        request: The request.
        installation: The plugins and the registry.

    Returns:
        The line.
    """
    words = ["zoo", "edit", request.model, *request.directions]
    words += ["--together"] if request.together else []
    words += _flags(strengths=request.strengths, layers=request.layers, video=request.video, size=request.size)
    for picture in request.onto:
        words += [f"--onto={picture}"]
    return _line(words, request.opening, request.codes, installation, each=request.each, out=request.out)


def sample_command(request: SampleRequest, installation: Installation) -> str:
    """Write the command that writes codes and their pictures.

    Args:
        request: The request.
        installation: The plugins and the registry.

    Returns:
        The line.
    """
    words = ["zoo", "sample", request.model, *_flags(size=request.size)]
    return _line(words, request.opening, request.codes, installation, each=request.each, out=request.out)


def name_command(folder: Path, index: int, name: str) -> str:
    """Write the command that names a direction.

    Args:
        folder: The run folder.
        index: Which direction.
        name: Its name.

    Returns:
        The line.
    """
    return shlex.join(["zoo", "name", str(folder), str(index), name])


def _line(
    words: list[str],
    opening: OpeningRequest,
    codes: CodesRequest,
    installation: Installation,
    *,
    each: bool,
    out: Path | None,
) -> str:
    words = [*words, *_codes(codes), *_opening(opening), *(["--each"] if each else []), *_flags(out=out)]
    return shlex.join([*words, *_registries(installation)])


def _codes(codes: CodesRequest) -> list[str]:
    file = codes.codes if isinstance(codes.codes, Path) else None
    drawn = _flags(samples=codes.samples, seed=codes.seed, seeds=codes.seeds, codes=file)
    return [*drawn, *_flags(label=codes.label, truncation=codes.truncation)]


def _opening(opening: OpeningRequest) -> list[str]:
    options = [word for name, value in opening.options.items() for word in ("-o", f"{name}={value}")]
    return [*_flags(space=opening.space, tuned=opening.tuned, device=_device(opening)), *options]


def _device(opening: OpeningRequest) -> str | None:
    return None if opening.device == "auto" else opening.device


def _flags(**values: object) -> list[str]:
    """Write options; a value may begin with a hyphen, so that it stands behind a sign."""
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _registries(installation: Installation) -> list[str]:
    return [f"--registry={path}" for path in installation.extra]
