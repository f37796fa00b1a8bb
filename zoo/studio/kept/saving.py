"""Saving: folders that the commands would write, written by the very requests of the commands."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from zoo._utils.lookups import exists, is_file
from zoo._utils.progress import Progress
from zoo._utils.writing.manifest import NAME as MANIFEST
from zoo.analysis.picking import PickRequest
from zoo.core.codes import join
from zoo.core.files.naming import name_direction
from zoo.editing.edit_request import EditRequest
from zoo.editing.requests import CodesRequest
from zoo.editing.run_folder import new_run_folder, short_model_name, short_part
from zoo.editing.samples import SampleRequest
from zoo.errors import OptionError, UnknownNameError
from zoo.studio.bodies import Analyze, Pick, Save
from zoo.studio.kept.analyses import Analyses
from zoo.studio.kept.commands import edit_command, name_command, sample_command
from zoo.studio.kept.pulled import move_texts
from zoo.studio.kept.requests import keep_codes, origins, question, request_for, steps
from zoo.studio.kept.results import Results
from zoo.studio.kept.sessions import STUDIO, Session, plain_name, read_json
from zoo.studio.kept.uploads import Uploads
from zoo.studio.shown.opened import Origin
from zoo.studio.shown.views import Scene, batches

Value = TypeVar("Value")

# Shares of the strengths that the page shows, from the unmoved codes to what is seen.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_NAMES = 1000
# Characters of a name that is offered, so that a number fits behind it.
_LONGEST = 72


@dataclass(frozen=True)
class Plan:
    """What saving would do.

    Attributes:
        folder: The folder that is written.
        command: The command that writes the same.
        write: Writes it.
        address: Where its files are answered.
    """

    folder: Path
    command: str
    write: Callable[[Progress], object]
    address: str

    def carry_out(self, progress: Progress) -> dict[str, Any]:
        """Write the folder.

        Args:
            progress: Called while the work goes on.

        Returns:
            The folder, its files, and the command.
        """
        self.write(progress)
        listed = (path.name for path in self.folder.iterdir() if path.name != MANIFEST)
        names = sorted(listed, key=lambda name: (name.endswith((".safetensors", ".npy")), name))  # pictures first
        return {
            "folder": str(self.folder),
            "files": [
                {"name": name, "url": f"{self.address}/{quote(self.folder.name)}/{quote(name)}"} for name in names
            ],
            "command": self.command,
        }


@dataclass(frozen=True)
class Saving:
    """Saves what a session holds.

    Attributes:
        session: The session.
        analyses: The analyses, which know the models.
    """

    session: Session
    analyses: Analyses

    def plan(self, body: Save) -> Plan:
        """Say what saving would write, and by which command.

        Args:
            body: What is to be saved.

        Returns:
            The plan.

        Raises:
            ZooError: If that cannot be saved.
        """
        makers = {"edit": self._edit, "codes": self._codes, "directions": self._directions, "run": self._run}
        if body.what not in makers:
            raise OptionError(f"what={body.what}: there are {', '.join(makers)}")
        return makers[body.what](body)

    def _edit(self, body: Save) -> Plan:
        opened, results = self.analyses.models.get(body), Results(self.session)
        texts, layers = move_texts(self.session, opened, steps(self.session, body.moves), results.shown_path)
        formats = [name for name in ("gif", "mp4") if name in body.files]
        codes = self._origins(body)
        onto = self._photograph(codes) if body.onto else None
        request = EditRequest(
            model=opened.model.opening.name,
            directions=texts,
            opening=self.analyses.opening(body),
            together=len(texts) > 1,
            strengths=",".join(f"{share:g}" for share in body.strengths or _SHARES),
            layers=layers,
            onto=() if onto is None else (onto,),
            video="both" if len(formats) == 2 else formats[0] if formats else "none",
            each="each" in body.files,
            size=body.pixels,
            codes=request_for(self.session, opened, codes),
            out=self._folder(body, f"{short_model_name(body.model)}-edit"),
            force=body.force,
        )
        installation = self.analyses.models.installation
        return self._plan(request, edit_command(request, installation))

    def _codes(self, body: Save) -> Plan:
        opened = self.analyses.models.get(body)
        scene = Scene(self._origins(body), steps(self.session, body.moves))
        request = SampleRequest(
            model=opened.model.opening.name,
            opening=self.analyses.opening(body),
            codes=self._moved(body, scene),
            each="each" in body.files,
            size=body.pixels,
            out=self._folder(body, f"{short_model_name(body.model)}-samples"),
            force=body.force,
        )
        return self._plan(request, sample_command(request, self.analyses.models.installation))

    def _plan(self, request: EditRequest | SampleRequest, command: str) -> Plan:
        installation = self.analyses.models.installation
        assert request.out is not None
        return Plan(request.out, command, lambda progress: request.run(installation, progress), self._address)

    def _moved(self, body: Save, scene: Scene) -> CodesRequest:
        """Make the request for codes where they have been moved to: no option says that, so that a file is written."""
        opened = self.analyses.models.get(body)
        if not any(along.strength for along in scene.moves):
            return request_for(self.session, opened, scene.codes)
        codes = join([codes for _, codes in batches(opened, scene)])
        return CodesRequest(codes=keep_codes(self.session, opened, replace(codes, seeds=None), repr(scene)))

    def _run(self, body: Save) -> Plan:
        if body.upload is not None:
            return self._projection(body)
        results = Results(self.session)
        record = results.read(_given(body.result, "result"))
        if "asked" not in record:
            return self._directions(body.model_copy(update={"picks": (Pick(result=record["id"]),)}))
        asked = Analyze.model_validate(record["asked"])
        again = question(self.session, self.analyses.models, asked)
        request = self.analyses.request(again)
        called = replace(request, region=re.sub(r"mask:[^+]*", "painted", request.region))  # not after the mask's file
        folder = self._folder(body, called.usual_folder(asked.model).name)
        names = {row["index"]: row["given"] for row in record["rows"] if row["given"]}

        def write(progress: Progress) -> None:
            self.analyses.save(
                results.folder(record["id"]),
                again,
                folder,
                files=body.files,
                force=body.force,
                progress=progress,
            )
            for index, name in names.items():
                name_direction(folder, index, name)
            results.update(record["id"], folder=str(folder))

        commands = [self.analyses.command(again, folder, body.files)]
        commands += [name_command(folder, index, name) for index, name in names.items()]
        return Plan(folder, " && ".join(commands), write, self._address)

    def _projection(self, body: Save) -> Plan:
        """Copy the folder of a projection, which its command wrote as it stands there."""
        uploads, upload = Uploads(self.session), _given(body.upload, "upload")
        found, folder = uploads.path(upload, "codes"), self._folder(body, f"{short_model_name(body.model)}-project")
        if not found.is_dir():
            raise OptionError("these codes are a file that was uploaded, not a projection: save the codes")

        def write(progress: Progress) -> None:
            with new_run_folder(folder, force=body.force) as partial:
                for path in found.iterdir():
                    if path.name != MANIFEST:
                        shutil.copyfile(path, partial / path.name)

        return Plan(
            folder, f"{uploads.record(upload)['command']} --out={shlex.quote(str(folder))}", write, self._address
        )

    def _directions(self, body: Save) -> Plan:
        """Write some directions of one or several results into one file."""
        results = Results(self.session)
        [first, *_] = _given(body.picks or None, "directions")
        request = PickRequest(
            directions=[
                f"{results.shown_path(results.path(pick.result))}{_terms(pick.indices)}" for pick in body.picks
            ],
            npy="npy" in body.files,
            out=self._folder(body, f"{first.result}-directions"),
            force=body.force,
        )
        request.read()  # what cannot be put together is said before it is saved
        command = f"{request.command} --out={shlex.quote(str(request.folder))}"
        return Plan(request.folder, command, lambda _: request.run(), self._address)

    @property
    def _address(self) -> str:
        return f"/api/{self.session.id}/files"

    def _origins(self, body: Save) -> tuple[Origin, ...]:
        if not body.codes:
            raise OptionError("there is no code to save: choose one first")
        return origins(self.session, body.codes)

    def _photograph(self, codes: tuple[Origin, ...]) -> Path:
        [first, *others] = {origin.path for origin in codes}
        found = None if first is None or others else Uploads(self.session).photograph(first)
        if found is None:
            raise OptionError("an edit is carried over to a photograph whose code was found here: choose that code")
        return found

    def _folder(self, body: Save, usual: str) -> Path:
        """Choose the folder: the name that was asked for, or else the first free one like the usual one."""
        runs = self.session.runs
        if body.name == STUDIO:
            raise OptionError(f"{STUDIO} is the studio's own folder: choose another name")
        if body.name is not None:
            return runs / body.name
        usual = short_part(usual, _LONGEST)
        names = [usual, *(f"{usual}-{number}" for number in range(2, _MOST_NAMES))]
        return runs / next(name for name in names if not exists(runs / name))


def saved_file(runs: Path, folder: str, name: str) -> Path:
    """Find a file that zoo wrote into a folder of runs.

    Args:
        runs: The folder of all runs.
        folder: The name of the folder, from a request.
        name: The name of the file, likewise.

    Returns:
        Its path.

    Raises:
        UnknownNameError: If zoo has written no such file.
    """
    path = runs / plain_name(folder) / plain_name(name)
    linked = path.parent.is_symlink() or path.is_symlink()
    listed = read_json(path.with_name(MANIFEST))
    files = listed.get("files") if isinstance(listed, dict) else None
    if not isinstance(files, dict) or name not in files or linked or not is_file(path):
        raise UnknownNameError(f"{folder} holds no file {name} that zoo wrote")
    return path


def _given(value: Value | None, what: str) -> Value:
    if value is None:
        raise OptionError(f"{what}: say what is to be saved")
    return value


def _terms(indices: Sequence[int] | None) -> str:
    return "" if indices is None else f":{','.join(map(str, indices))}"
