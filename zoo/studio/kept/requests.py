"""Requests of the command line, made of what the page asks for: codes and words that a command can name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.files import atomic_file
from zoo._utils.lookups import is_file
from zoo.core.codes import Codes, join
from zoo.editing.requests import CodesRequest
from zoo.scoring.choosing import ScorerChoice
from zoo.studio.bodies import Analyze, Code, Step
from zoo.studio.kept.results import Results
from zoo.studio.kept.sessions import Session, short_hash
from zoo.studio.kept.uploads import Uploads
from zoo.studio.shown.opened import OpenModel, OpenModels, Origin
from zoo.studio.shown.views import Along, along_of, origin_of


def origins(session: Session, codes: Sequence[Code]) -> tuple[Origin, ...]:
    """Read where codes come from.

    Args:
        session: The session.
        codes: The codes.

    Returns:
        Their origins.
    """
    uploads = Uploads(session)
    return tuple(origin_of(code, lambda name: uploads.path(name, "codes")) for code in codes)


def steps(session: Session, moves: Sequence[Step]) -> tuple[Along, ...]:
    """Read what codes are moved along.

    Args:
        session: The session.
        moves: The steps.

    Returns:
        The same with the paths of their files.
    """
    results = Results(session)
    return tuple(along_of(step, results.path) for step in moves)


@dataclass(frozen=True)
class Question:
    """An analysis that the page asks for.

    Attributes:
        body: What it sent.
        codes: The codes to analyse.
        scorer: The scorer that names directions.
    """

    body: Analyze
    codes: CodesRequest
    scorer: ScorerChoice


def question(session: Session, models: OpenModels, body: Analyze) -> Question:
    """Read which codes an analysis is of, and which scorer names its directions.

    Args:
        session: The session, which knows uploads and keeps words.
        models: The models.
        body: What the page asks for: its codes, or how many to draw.

    Returns:
        The question.
    """
    words = {"words": _keep_words(session, body.words)} if body.words and body.words.strip() else {}
    return Question(body, _codes_of(session, models, body), ScorerChoice(name=body.scorer, options=words))


def _codes_of(session: Session, models: OpenModels, body: Analyze) -> CodesRequest:
    if body.codes:
        return request_for(session, models.get(body), origins(session, body.codes))
    return CodesRequest(samples=body.samples, seed=body.seed, label=body.label, truncation=body.truncation)


def _keep_words(session: Session, words: str) -> Path:
    """Write words that commands are to name. As files of codes, the file is never changed."""
    content = words.encode(errors="replace")
    path = session.folder / "words" / f"{short_hash(content)}.txt"
    if not is_file(path):
        with atomic_file(path) as partial:
            partial.write_bytes(content)
    return path


def request_for(session: Session, opened: OpenModel, codes: Sequence[Origin], usual: int = 1) -> CodesRequest:
    """Make the request for some codes, such as ``--seeds 1,2,3``, or ``--codes FILE`` where no other option names them.

    Args:
        session: The session, which keeps that file.
        opened: The model.
        codes: Where the codes come from.
        usual: How many are drawn where nothing else is said.

    Returns:
        The request.
    """
    seeds = [origin.seed for origin in codes]
    alike = len({(origin.label, origin.truncation) for origin in codes}) == 1
    if alike and None not in seeds and len(set(seeds)) == len(seeds):
        [first, *_] = codes
        text = ",".join(map(str, seeds))
        return CodesRequest(seeds=text, label=first.label, truncation=first.truncation, usual=usual)
    whole = whole_file(opened, codes)
    if whole is not None:
        return CodesRequest(codes=whole, label=codes[0].label, usual=usual)
    joined = join([opened.code(origin) for origin in codes])
    return CodesRequest(codes=keep_codes(session, opened, joined, repr(codes)), usual=usual)


def keep_codes(session: Session, opened: OpenModel, codes: Codes, origin: str) -> Path:
    """Write codes that commands are to name. A file is never changed, so that a command that was copied stays right.

    Args:
        session: The session, which keeps it.
        opened: The model.
        codes: The codes.
        origin: Where the codes come from; together with the weights and the space, it names the file.

    Returns:
        The file.
    """
    model = opened.model
    name = short_hash(f"{model.weights} {model.adapter.space} {model.dtype} {origin}".encode())
    path = session.folder / "codes" / f"{name}.safetensors"
    if not is_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save_codes(path, codes)
    return path


def whole_file(opened: OpenModel, codes: Sequence[Origin]) -> Path | None:
    """Find the file whose codes are wanted, all of them in their order.

    Args:
        opened: The model.
        codes: Where the codes come from.

    Returns:
        The path; None if they are not the codes of one file.
    """
    [first, *_] = codes
    if first.path is None or len({(origin.path, origin.label) for origin in codes}) > 1:
        return None
    count = len(opened.file(first.path, first.label))
    return first.path if [origin.index for origin in codes] == list(range(count)) else None
