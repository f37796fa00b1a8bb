"""What a user has to know of a projection that does less than its name says, or of an option without effect."""

from zoo.linalg import LowRank
from zoo_analyzers.nullspace.options import NullSpaceOptions


def notes_on(options: NullSpaceOptions, low_rank: LowRank, removed: int, *, rest_changes: bool) -> list[str]:
    """Say where nothing was projected out, or all but one dimension, and where options change nothing.

    Args:
        options: The options of the analysis.
        low_rank: The low-rank part of the rest of the image.
        removed: How many of its directions are projected out.
        rest_changes: Whether the rest of the image changes with the code at all.

    Returns:
        A sentence for each, without its full stop.
    """
    return [*_on_projection(options, low_rank, removed, rest_changes), *_on_options(options)]


def _on_projection(options: NullSpaceOptions, low_rank: LowRank, removed: int, rest_changes: bool) -> list[str]:
    rank, dim = low_rank.rank, len(low_rank.basis)
    given = "those of lowrank" if options.directions is None else f"those of {options.directions.name}"
    left = "there is one direction" if options.generalized else "all directions are the same but for their sign"
    if not rest_changes:
        return [f"only the region changes with the code: nothing was projected out, and the directions are {given}"]
    if removed == 0:
        return [
            f"factorization={options.factorization} finds rank 0 for the rest of the image: nothing was projected out, "
            f"and the directions are {'those of resefa' if options.generalized else given}; use "
            "factorization=spectrum to make them local"
        ]
    if removed == dim - 1:
        return [
            f"the rest of the image has rank {rank} of {dim}: one dimension is left, and {left}; use a smaller "
            "background_energy, or relax"
        ]
    if options.relax >= rank:
        return [f"relax={options.relax}, but the rest of the image has rank {rank}: one direction is projected out"]
    return []


def _on_options(options: NullSpaceOptions) -> list[str]:
    notes = []
    if options.factorization != "spectrum":
        notes += [_unused(options, name, "a share of the spectrum") for name in ("energy", "background_energy")]
    elif options.directions is not None:
        notes.append(_unused(options, "energy", "for directions that are found here, not for those of a file"))
    if not options.generalized:
        notes.append(_unused(options, "tau", "for basis=generalized"))
    return [note for note in notes if note]


def _unused(options: NullSpaceOptions, name: str, why: str) -> str:
    return f"{name} was not used: it is {why}" if name in options.model_fields_set else ""
