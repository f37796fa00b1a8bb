"""A projection in words: those of the command line, and those of `zoo.project`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo._utils.progress import Progress, silent
from zoo._utils.sizes import parse_size
from zoo.core.options import Options, parse_options
from zoo.editing.requests import command_line
from zoo.errors import OptionError
from zoo.inversion.framing import check_alignment
from zoo.inversion.options import AUTO, LOSSES, FeatureOptions, SearchOptions, TuneOptions
from zoo.inversion.pictures import GivenPicture
from zoo.inversion.project import ProjectionSettings, project_pictures
from zoo.inversion.result import Inversion
from zoo.models.limits import check_seed
from zoo.models.model import Model
from zoo.plugins.entries import ProjectorPlugin
from zoo.registry.registry import Installation, load_installation


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectionRequest:
    """Pictures to project, in words.

    Attributes:
        pictures: The pictures.
        projector: The name of a projector of a plugin; None is zoo's own search.
        rows: Whether the rows of a code may differ; see `SearchOptions`. None is ``auto``.
        ridge: See `SearchOptions`.
        starts: See `SearchOptions`.
        loss: ``pixels`` or ``features``.
        region: The pixels that count.
        align: What is taken of photographs: ``auto`` follows the model's card; see `zoo.registry.alignment`.
        label: The class of a conditional model, by name or index; ``auto`` finds it.
        seed: The seed of everything that is drawn.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``.
        tune: Whether a copy of the network is fine-tuned at the codes.
        locality: See `TuneOptions`. None is 0.1.
        steps: See `TuneOptions`. None is 350.
        options: Options of the projector or of the feature loss; with `split`, also those of the architecture.
    """

    pictures: GivenPicture | Sequence[GivenPicture]
    projector: str | None = None
    rows: str | None = None
    ridge: float | None = None
    starts: int | None = None
    loss: str = "pixels"
    region: str = "all"
    align: str = "auto"
    label: int | str = AUTO
    seed: int | None = None
    memory: str | int | None = None
    tune: bool = False
    locality: float | None = None
    steps: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, installation: Installation) -> ProjectionSettings:
        """Read what needs no model.

        Args:
            installation: The plugins.

        Returns:
            The settings.

        Raises:
            OptionError: If a value is out of range, or does not go with the projector or the loss.
            UnknownNameError: If there is no such projector.
        """
        plugin = self._plugin(installation)
        if plugin is not None:
            for name in ("rows", "ridge", "starts"):
                if getattr(self, name) is not None:
                    raise OptionError(f"--{name} is for zoo's own search: leave it out with --projector {plugin.name}")
        if self.loss not in LOSSES:
            raise OptionError(f"--loss {self.loss}: there are {', '.join(LOSSES)}")
        if plugin is None and self.loss == "features":
            parse_options("project", FeatureOptions, self.options)
        elif plugin is None and self.options:
            raise OptionError(f"-o {next(iter(self.options))}=…: it is for --loss features: pass that too")
        check_alignment(self.align)
        return ProjectionSettings(
            projector=plugin,
            options=self.options,
            search=SearchOptions(
                rows=self.rows or "auto",
                ridge=self.ridge,
                starts=self.starts,
            ),
            loss=self.loss,
            region=self.region,
            align=self.align,
            label=self.label,
            seed=check_seed(self.seed or 0),
            memory=None if self.memory is None else parse_size("--memory", self.memory),
            tune=self._tune_options(),
        )

    def _tune_options(self) -> TuneOptions | None:
        given = {name: getattr(self, name) for name in ("locality", "steps") if getattr(self, name) is not None}
        if given and not self.tune:
            raise OptionError(f"--{next(iter(given))}: it says how --tune works: pass that too")
        return TuneOptions(**given) if self.tune else None

    def split_options(self, installation: Installation) -> tuple[ProjectionRequest, dict[str, Any]]:
        """Separate the options of the projector or the loss from those of the architecture.

        Args:
            installation: The plugins.

        Returns:
            The request with its own options only, and the others.

        Raises:
            UnknownNameError: If there is no such projector.
        """
        plugin = self._plugin(installation)
        schema: type[Options] = FeatureOptions if plugin is None else plugin.schema()
        own = {name: value for name, value in self.options.items() if name in schema.model_fields}
        return replace(self, options=own), {name: value for name, value in self.options.items() if name not in own}

    def project(self, model: Model, installation: Installation, progress: Progress = silent) -> Inversion:
        """Project the pictures in an open model.

        Args:
            model: The model.
            installation: The plugins.
            progress: Called while the work goes on.

        Returns:
            The codes and how good they are.

        Raises:
            ZooError: Whatever is wrong with the request.
        """
        if self.tune and model.tuned_sha256 is not None:
            raise OptionError(
                f"--tune: {model.name} is open with tuned weights, which are not tuned again: leave out --tuned, and "
                "project all pictures at once"
            )
        settings = self.settings(installation)
        result = project_pictures(model, self.pictures, settings, installation.plugins, progress)
        return replace(result, record={**result.record, "command": self._command(model)})

    def _command(self, model: Model) -> str | None:
        """Write the command line that makes the same request again; None for pictures that no command can name."""
        pictures = [self.pictures] if isinstance(self.pictures, str | Path) else self.pictures
        if not isinstance(pictures, Sequence) or not all(isinstance(picture, str | Path) for picture in pictures):
            return None
        names = ("projector", "rows", "ridge", "starts", "loss", "region", "align", "label", "seed", "tune", "locality")
        words, usual = ({name: getattr(one, name) for name in (*names, "steps")} for one in (self, _USUAL))
        command = ["zoo", "project", model.opening.name, *map(str, pictures)]
        return command_line(command, words, usual, self.options, model)

    def _plugin(self, installation: Installation) -> ProjectorPlugin | None:
        return None if self.projector is None else installation.plugins.projector(self.projector)


_USUAL = ProjectionRequest(pictures=())


def project(
    model: Model,
    pictures: GivenPicture | Sequence[GivenPicture],
    *,
    projector: str | None = None,
    rows: str | None = None,
    ridge: float | None = None,
    starts: int | None = None,
    loss: str = "pixels",
    region: str = "all",
    align: str = "auto",
    label: int | str = AUTO,
    seed: int | None = None,
    memory: str | int | None = None,
    tune: bool = False,
    locality: float | None = None,
    steps: int | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Inversion:
    """Find codes whose images are given pictures, such as photographs (GAN inversion).

    Args:
        model: The model that shall draw them.
        pictures: A picture or several: paths of files or folders, patterns such as ``faces/*.jpg``, pictures of Pillow,
            arrays (h, w, 3) or (n, h, w, 3) of uint8, or tensors (3, h, w) or (n, 3, h, w) in [-1, 1]. They are cut as
            `align` says, and resampled by area.
        projector: The name of a projector of a plugin; None is zoo's own search.
        rows: Of codes with several rows: ``tied`` seeks one vector for all, ``free`` one for each. None ties them, and
            frees them where the picture is not reproduced.
        ridge: The weight that holds codes near drawn ones in the end; None chooses.
        starts: How many drawn codes to begin from at most, while a picture is not reproduced; None is 6, and
            then codes around the best that was found, or 1 where the Jacobian is too large to be computed.
        loss: ``pixels``, or ``features``, which adds the features of a network: see `output` of ``zoo analyze``.
        region: The pixels that count, such as ``not:top``.
        align: What is taken of photographs: ``none`` is the middle; ``ffhq``, ``celeba`` and ``points:…`` cut out the
            largest face as those data sets have it; ``auto`` does what the model's card says.
        label: The class of a conditional model, by name or index; ``auto`` finds it.
        seed: The seed of everything that is drawn; None is 0.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``.
        tune: Fine-tune a copy of the network at the codes, so that it draws the very pictures (pivotal tuning); it is
            `tuning.model` of the result.
        locality: The weight with which tuning holds the images of other codes; None is 0.1, and 0 does not hold them.
        steps: How many steps tuning takes; None is 350.
        progress: Called while the work goes on.
        **options: Options of the projector, or `output` and `features` of the feature loss.

    Returns:
        The codes, and how good they are.

    Raises:
        OptionError: If no picture can be read, or a value is out of range.
        ZooError: Whatever else is wrong with the request.
    """
    request = ProjectionRequest(
        pictures=pictures,
        projector=projector,
        rows=rows,
        ridge=ridge,
        starts=starts,
        loss=loss,
        region=region,
        align=align,
        label=label,
        seed=seed,
        memory=memory,
        tune=tune,
        locality=locality,
        steps=steps,
        options=options,
    )
    return request.project(model, load_installation(), progress)
