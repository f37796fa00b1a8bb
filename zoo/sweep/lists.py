"""Lists in the words of ``zoo analyze``: a small sweep, written to a file that the commands of sweeps take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo._utils.lookups import exists, is_file
from zoo._utils.writing.workspaces import parents_of
from zoo.analysis.request import AnalysisRequest, split_options, usual_analyzer
from zoo.editing.requests import USUAL_OPENING, OpeningRequest
from zoo.editing.run_folder import short_model_name, short_part, usual_run_folder
from zoo.errors import OptionError
from zoo.models.limits import parse_seeds
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.registry.registry import Installation
from zoo.sweep.folder import SweepFolder, open_folder

# Characters of the name of a file, to which the name of the folder adds some.
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class AnalysisLists:
    """What analyses differ in.

    Attributes:
        models: Names of cards, or paths of weights files.
        analyzers: Names of analyzers; None is the usual one of each region.
        regions: Regions.
        seeds: Seeds of everything that is drawn; None is 0, and not given.
    """

    models: Sequence[str]
    analyzers: Sequence[str | None]
    regions: Sequence[str]
    seeds: Sequence[int | None]

    @property
    def several(self) -> bool:
        """Whether there is more than one analysis."""
        return any(len(part) > 1 for part in (self.models, self.analyzers, self.regions, self.seeds))


def read_lists(model: str, analyzer: str | None, region: str, seed: str | None) -> AnalysisLists:
    """Take words apart at their commas.

    A comma before a letter stands between two regions, since those of a box stand before numbers. The path of a file,
    and a region with a mask, may have commas of their own, and are taken as one.

    Args:
        model: Models.
        analyzer: Analyzers.
        region: Regions.
        seed: Seeds, such as ``0-9`` or ``1,5``.

    Returns:
        The lists.

    Raises:
        OptionError: If a list has an empty entry, or the same one twice, or the seeds cannot be read.
    """
    one_region = "mask:" in region or "," not in region
    return AnalysisLists(
        models=[model] if is_file(Path(model)) else _parts("MODEL", model, ","),
        analyzers=[None] if analyzer is None else _parts("--analyzer", analyzer, ","),
        regions=[region] if one_region else _parts("--region", region, r",(?=\s*[A-Za-z])"),
        seeds=_seeds(seed),
    )


def _parts(option: str, text: str, separator: str) -> list[str]:
    parts = [part.strip() for part in re.split(separator, text)]
    if len(parts) > 1 and not all(parts):
        raise OptionError(f"{option} {text}: there is nothing beside a comma")
    if len(set(parts)) < len(parts):
        raise OptionError(f"{option} {text}: {next(one for one in parts if parts.count(one) > 1)} is there twice")
    return parts


def _seeds(text: str | None) -> list[int | None]:
    if text is None:
        return [None]
    if re.fullmatch(r"-?\d{1,20}", text):
        return [int(text)]
    try:
        return list(parse_seeds(text))
    except OptionError as error:
        raise OptionError(str(error).replace("--seeds", "--seed")) from None


@contextmanager
def written_sweep(
    lists: AnalysisLists,
    request: AnalysisRequest,
    opening: OpeningRequest,
    memory: str | None,
    installation: Installation,
    *,
    out: str | None,
) -> Iterator[tuple[Path, SweepFolder]]:
    """Write the file of a sweep that makes the same analyses, for the body of a ``with`` statement that starts it.

    If that is refused before the sweep has a folder, the file is deleted again.

    Args:
        lists: What they differ in.
        request: What they have in common; its analyzer, region and seed are not looked at.
        opening: How models are opened.
        memory: How much derivatives may use.
        installation: The plugins and the registry.
        out: The folder of the sweep, or a URL; None is the usual one.

    Yields:
        The file, under ``runs/``, and the folder.

    Raises:
        OptionError: If a file of that name holds another sweep, or an option is of no analyzer and no architecture.
        OutputError: If the operating system refuses.
    """
    content = dump_plain_yaml(_content(lists, request, opening, memory, installation))
    file = _file(lists, request, opening)
    if exists(file) and file.read_text(encoding="utf-8", errors="replace") != content:
        raise OptionError(f"{file} is the file of another sweep: delete it, or run 'zoo sweep' with a file of your own")
    folder, is_new = open_folder(file, out), not exists(file)
    with parents_of(file):
        with atomic_file(file) as partial:
            partial.write_text(content, encoding="utf-8")
        try:
            yield file, folder
        except BaseException:
            if is_new and not folder.started:
                file.unlink(missing_ok=True)
            raise


def _file(lists: AnalysisLists, request: AnalysisRequest, opening: OpeningRequest) -> Path:
    models = "+".join(map(short_model_name, lists.models))
    analyzers = "+".join(one for one in lists.analyzers if one is not None)
    seeds = [str(seed) for seed in lists.seeds if seed is not None]
    choices = {
        "layers": request.layers,
        **request.options,
        **request.codes.choices(),
        "seed": ",".join(seeds) or None,
        **opening.choices(),
        "scorer": request.scorer.name,
        **request.scorer.options,
        "show": request.show,
        "unseen": request.unseen,
    }
    usual = {"show": AnalysisRequest.show, "unseen": AnalysisRequest.unseen}
    parts = [part for part in (models, analyzers, "+".join(lists.regions)) if part]
    name = usual_run_folder(parts, choices, usual).name
    return Path("runs") / f"{short_part(name, _LONGEST_NAME)}.yaml"


def _content(
    lists: AnalysisLists,
    request: AnalysisRequest,
    opening: OpeningRequest,
    memory: str | None,
    installation: Installation,
) -> dict[str, Any]:
    """Return the content of the file; each grid has the analyzers of some regions."""
    regions: dict[tuple[str, ...], list[str]] = {}
    for region in lists.regions:
        names = tuple(usual_analyzer(region) if one is None else one for one in lists.analyzers)
        regions.setdefault(names, []).append(region)
    used = {name for names in regions for name in names}
    own, others = _shared_options(used, request, installation)
    scorer, others = request.scorer.split(others, installation.plugins)
    models = [
        _named(name, {"space": opening.space, "tuned": _text(opening.tuned), "options": others})
        for name in lists.models
    ]
    codes = request.codes
    shared = {
        "layers": request.layers,
        "labels": codes.label,
        "seeds": list(lists.seeds) if lists.seeds != [None] else None,
        "samples": codes.samples,
        "truncations": codes.truncation,
    }
    grids = [
        {
            "models": models,
            "analyzers": [_named(name, {"options": own[name]}) for name in names],
            "regions": found,
            **{key: value for key, value in shared.items() if value is not None},
        }
        for names, found in regions.items()
    ]
    settings = {"show": request.show, "unseen": request.unseen, "memory": memory}
    settings |= {"device": opening.device, "dtype": opening.dtype}
    asked = {name: _text(value) if isinstance(value, Path) else value for name, value in scorer.options.items()}
    settings["scorer"] = None if scorer.name is None else _named(scorer.name, {"options": asked})
    usual = {"scorer": None, "memory": None, "device": USUAL_OPENING.device, "dtype": USUAL_OPENING.dtype}
    chosen = {key: value for key, value in settings.items() if key not in usual or value != usual[key]}
    return {**chosen, **grids[0]} if len(grids) == 1 else {**chosen, "include": grids}


def _shared_options(
    analyzers: set[str], request: AnalysisRequest, installation: Installation
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Give each option to every analyzer that has it, or else to the architectures."""
    own, others = {}, dict(request.options)
    for name in sorted(analyzers):
        split, unknown = split_options(AnalysisRequest(analyzer=name, options=request.options), installation, None)
        own[name] = dict(split.options)
        others = {key: value for key, value in others.items() if key in unknown}
    return own, others


def _named(name: str, words: Mapping[str, Any]) -> Any:
    given = {key: value for key, value in words.items() if value}
    return {"name": name, **given} if given else name


def _text(value: object) -> str | None:
    return None if value is None else str(value)
