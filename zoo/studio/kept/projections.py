"""Projections in the studio: the request of ``zoo project``, carried out on the open model."""

from __future__ import annotations

import secrets
from typing import Any

import torch

from zoo._utils.pixels import to_image
from zoo._utils.progress import Progress
from zoo.imaging.images import write_png
from zoo.inversion.command import ProjectCommand
from zoo.inversion.project import tuning_seconds
from zoo.inversion.request import ProjectionRequest
from zoo.studio.bodies import Project
from zoo.studio.jobs import CancelledError
from zoo.studio.kept.analyses import Analyses
from zoo.studio.kept.commands import completed
from zoo.studio.kept.sessions import Session, remove
from zoo.studio.kept.uploads import Uploads


def project(session: Session, analyses: Analyses, body: Project, progress: Progress) -> dict[str, Any]:
    """Find the code of a picture, and keep its folder in the session.

    Args:
        session: The session, which has the picture.
        analyses: Knows the models and the memory.
        body: What was asked.
        progress: Called while the work goes on.

    Returns:
        What the page is told: the codes as an upload, and how good they are.

    Raises:
        CancelledError: If the work was cancelled.
        ZooError: If the picture cannot be projected.
    """
    uploads, models = Uploads(session), analyses.models
    picture, upload = uploads.path(body.picture, "picture"), secrets.token_hex(8)
    folder = session.place("projected", upload)
    command = ProjectCommand(
        model=models.name(body.model),
        projection=ProjectionRequest(
            pictures=[picture],
            region=body.region or "all",
            align=body.align,
            label=body.label or "auto",
            starts=body.starts,
            tune=body.tune,
            memory=analyses.memory,
            options=models.options(body),
        ),
        opening=analyses.opening(body),
        out=folder,
    )
    result = command.run(models.installation, progress)
    if result.interrupted:
        remove(folder)
        raise CancelledError
    line = completed(result.record["command"], command.opening, models.installation, memory=analyses.memory)
    uploads.add_codes(upload, folder, photograph=picture, command=line)
    shown = torch.cat([tile.pixels for tile in result.tiles(0)], dim=1)
    write_png(to_image(shown), uploads.compared(upload))
    return {
        "upload": upload,
        "shown": result.tile_names,
        "tuned": result.tuning is not None,
        "tuning_seconds": None if body.tune or body.tuned else tuning_seconds(result),
        "count": len(result.codes),
        "figures": "; ".join(f"PSNR {fit.psnr:.1f} dB: {fit.sentence()}" for fit in result.fits),
        "price": None if result.tuning is None else result.tuning.sentence(),
        "label": result.fits[0].label,
        "notes": result.notes(),
        "command": line,
        "folder": None,
    }
