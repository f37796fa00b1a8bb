"""Requests of the command line, made of what the page asks for: codes that a command can name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.core.codes import join
from zoo.editing.requests import CodesRequest
from zoo.studio.bodies import Analyze
from zoo.studio.kept.sessions import Session, short_hash
from zoo.studio.kept.uploads import Uploads
from zoo.studio.shown.opened import OpenModel, OpenModels, Origin
from zoo.studio.shown.views import origin_of


def codes_request(session: Session, models: OpenModels, body: Analyze) -> CodesRequest:
    """Make the request for the codes of an analysis.

    Args:
        session: The session, which knows uploads.
        models: The models.
        body: What the page asks for: its codes, or how many to draw.

    Returns:
        The request.
    """
    if body.codes:
        find = Uploads(session)
        origins = tuple(origin_of(code, lambda name: find.path(name, "codes")) for code in body.codes)
        return request_for(session, models.get(body), origins)
    return CodesRequest(samples=body.samples, seed=body.seed, label=body.label, truncation=body.truncation)


def request_for(session: Session, opened: OpenModel, origins: Sequence[Origin], usual: int = 1) -> CodesRequest:
    """Make the request for some codes, such as ``--seeds 1,2,3``, or ``--codes FILE`` where no other option names them.

    Args:
        session: The session, which keeps that file.
        opened: The model.
        origins: Where the codes come from.
        usual: How many are drawn where nothing else is said.

    Returns:
        The request.
    """
    seeds = [origin.seed for origin in origins]
    alike = len({(origin.label, origin.truncation) for origin in origins}) == 1
    if alike and None not in seeds and len(set(seeds)) == len(seeds):
        [first, *_] = origins
        text = ",".join(map(str, seeds))
        return CodesRequest(seeds=text, label=first.label, truncation=first.truncation, usual=usual)
    whole = whole_file(opened, origins)
    if whole is not None:
        return CodesRequest(codes=whole, label=origins[0].label, usual=usual)
    codes = join([opened.code(origin) for origin in origins])
    path = session.folder / "codes" / f"{short_hash(repr(origins).encode())}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    opened.model.save_codes(path, codes)
    return CodesRequest(codes=path, usual=usual)


def whole_file(opened: OpenModel, origins: Sequence[Origin]) -> Path | None:
    """Find the file whose codes are wanted, all of them in their order.

    Args:
        opened: The model.
        origins: Where the codes come from.

    Returns:
        The path; None if they are not the codes of one file.
    """
    [first, *_] = origins
    if first.path is None or len({(origin.path, origin.label) for origin in origins}) > 1:
        return None
    count = len(opened.file(first.path, first.label))
    return first.path if [origin.index for origin in origins] == list(range(count)) else None
