"""``zoo project``, from its words to its folder."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from zoo._utils.paths import expand_home
from zoo._utils.progress import Progress, silent
from zoo.core.region import parse_region
from zoo.editing.requests import USUAL_OPENING, OpeningRequest, card_by_name
from zoo.editing.run_folder import claimed_run_folder, short_model_name, usual_run_folder
from zoo.imaging.images import picture_side
from zoo.inversion.options import AUTO
from zoo.inversion.pictures import find_files
from zoo.inversion.project import ProjectionSettings
from zoo.inversion.projectors import open_projector
from zoo.inversion.request import ProjectionRequest
from zoo.inversion.result import Inversion
from zoo.models.limits import find_class
from zoo.registry.registry import Installation


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectCommand:
    """``zoo project``: a projection, the model that it is made in, and the folder that it is written to.

    Attributes:
        model: The name of a card, or the path of a weights file.
        projection: The pictures, and how they are projected.
        opening: How the model is opened; its options come from the projection.
        each: Write a PNG of every found image too.
        size: The size of pictures on the sheet; see `Inversion.save`.
        out: The folder to write; None is one under ``runs/``.
        force: Replace an existing run folder.
    """

    model: str
    projection: ProjectionRequest
    opening: OpeningRequest = USUAL_OPENING
    each: bool = False
    size: str | None = None
    out: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        if self.out is not None:
            return self.out
        projection = self.projection
        pictures = [Path(one).stem for one in projection.pictures if isinstance(one, str | Path)]  # type: ignore[union-attr]
        usual = {field.name: field.default for field in fields(projection)}
        unnamed = {"pictures", "options", "memory", "seed"}
        choices = {
            **{name: getattr(projection, name) for name in usual if name not in unnamed},
            "seed": projection.seed or None,
            **projection.options,
            **self.opening.choices(),
            "each": self.each or None,
            "size": self.size,
        }
        return usual_run_folder((short_model_name(self.model), "project", "+".join(pictures)), choices, usual)

    def run(self, installation: Installation, progress: Progress = silent) -> Inversion:
        """Open the model, project the pictures, and write the folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            What was found. After Ctrl-C, what had been found is written all the same.

        Raises:
            ZooError: Whatever is wrong with the request. What its words alone show is refused before anything is
                fetched.
        """
        folder = expand_home(self.folder)
        with claimed_run_folder(folder, force=self.force):
            return self._write(folder, installation, progress)

    def _write(self, folder: Path, installation: Installation, progress: Progress) -> Inversion:
        picture_side(self.size, 1)
        projection, others = self.projection.split_options(installation)
        self._check_by_card(projection.settings(installation), installation)
        find_files(path for path in projection.pictures if isinstance(path, str | Path))  # type: ignore[union-attr]
        opening = replace(self.opening, options=others)
        model = opening.open(self.model, installation, progress)
        result = projection.project(model, installation, progress)
        result.save(folder, each=self.each, size=self.size, force=self.force)
        return result

    def _check_by_card(self, settings: ProjectionSettings, installation: Installation) -> None:
        """Refuse what the model's card shows to be wrong, before its weights are fetched."""
        card = card_by_name(self.model, installation)
        if card is None:
            return
        if settings.projector is not None:
            open_projector(settings.projector, settings.options, card)
        parse_region(settings.region, card.size, card.regions)
        if settings.label != AUTO and card.classes:
            find_class(card.name, card.classes, settings.label)
