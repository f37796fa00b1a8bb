"""What answers each call of the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from zoo._utils.lookups import is_dir, is_file
from zoo._utils.progress import Progress
from zoo._version import __version__
from zoo.errors import OptionError, UnknownNameError
from zoo.studio.answers import answer
from zoo.studio.bodies import Analyze, Body, Marks, Opened, Project, RegionText, Save, View, read_body
from zoo.studio.kept.projections import project
from zoo.studio.kept.requests import question
from zoo.studio.kept.results import Results
from zoo.studio.kept.saving import Saving, saved_file
from zoo.studio.kept.sessions import Session, open_session
from zoo.studio.kept.uploads import Uploads
from zoo.studio.services import Services, scene_of
from zoo.studio.shown.description import describe_model, list_models
from zoo.studio.shown.heat import Heat, draw_heat
from zoo.studio.shown.rendering import Picture, encode
from zoo.studio.shown.views import draw_pixels

AnyBody = TypeVar("AnyBody", bound=Body)

# Uploads that are in memory at a time.
_MOST_UPLOADS = 2


class Api:
    """The calls.

    Args:
        services: What they need.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self._uploading = asyncio.Semaphore(_MOST_UPLOADS)

    async def models(self, request: Request) -> Response:
        """List the models."""
        models = self.services.models
        listed = await self.services.on_files(lambda: list_models(models))
        told = {"models": listed, "started_with": models.started_with, "runs": str(self.services.runs)}
        return answer({**told, "version": __version__})

    async def open(self, request: Request) -> Response:
        """Open a model, and tell everything about it."""
        body, session = await self._body(Opened, request), self._session(request)
        models = self.services.models
        models.card(body.model)
        return self._start(
            session, lambda progress: describe_model(models.get(body, progress).model, models.installation)
        )

    async def render(self, request: Request) -> Response:
        """Draw pictures."""
        view, session = await self._body(View, request), self._session(request)
        services, lane = self.services, (session.id, view.lane)

        def draw() -> Picture:
            opened, scene = services.models.get(view), scene_of(session, view)
            return services.pictures.render(lane, opened, scene, view.size, preview=view.preview)

        return _picture(await services.renders.run(lane, view.seq, draw), view.seq)

    async def heat(self, request: Request) -> Response:
        """Show where a picture changes."""
        view, session = await self._body(View, request), self._session(request)
        services = self.services

        def draw() -> Heat:
            opened = services.models.get(view)
            region = None if view.region is None else services.masks.region(opened.model, view.region)
            return draw_heat(opened, scene_of(session, view), region)

        heat = await services.renders.run((session.id, "heat"), view.seq, draw)
        inside = {} if heat.inside is None else {"X-Zoo-Inside": f"{heat.inside:.4f}"}
        headers = {"X-Zoo-Seq": str(view.seq), "X-Zoo-Top": f"{heat.top:.4g}", **inside}
        return Response(heat.content, media_type="image/png", headers=headers)

    async def region(self, request: Request) -> Response:
        """Keep a painted mask, or read a region in words."""
        services, content, session = self.services, await request.body(), self._session(request)
        await services.make_room(session, len(content))
        if request.headers.get("content-type", "").startswith("application/json"):
            body = Uploads(session).read_tuned(read_body(RegionText, content))
            models = services.models
            return answer(await services.on_files(lambda: services.masks.describe(models.get(body).model, body.text)))
        return answer(await services.on_files(lambda: services.masks.paint(content)))

    async def analyze(self, request: Request) -> Response:
        """Find directions."""
        body, session = await self._body(Analyze, request), self._session(request)
        services = self.services
        services.masks.check(body.region or "all")
        await services.make_room(session)

        def find(progress: Progress) -> dict[str, Any]:
            asked = question(session, services.models, body)
            return services.analyses.run(Results(session), asked, progress)

        return self._start(session, find)

    async def results(self, request: Request) -> Response:
        """List what was found."""
        results = Results(self._session(request))
        return answer({"results": await self.services.on_files(results.list)})

    async def mark(self, request: Request) -> Response:
        """Name or star a direction."""
        marks, results = await self._body(Marks, request), Results(self._session(request))
        name = request.path_params["name"]
        return answer(await self.services.on_files(lambda: results.mark(name, marks)))

    async def delete(self, request: Request) -> Response:
        """Delete a result."""
        results, name = Results(self._session(request)), request.path_params["name"]
        await self.services.on_files(lambda: results.delete(name))
        return answer({})

    async def upload(self, request: Request) -> Response:
        """Keep a file."""
        session = self._session(request)
        uploads = Uploads(session)
        name = request.headers.get("x-zoo-name", "file")
        asked, query = _asked(request), request.query_params

        def keep(content: bytes) -> dict[str, Any]:
            opened = None if asked is None else uploads.read_tuned(asked)
            model = None if opened is None else self.services.models.get(opened).model
            how = {"as_kind": query.get("as"), "label": query.get("label")}
            return uploads.receive(content, unquote(name), model, opened, **how)

        async with self._uploading:
            content = await request.body()
            await self.services.make_room(session, len(content))
            return answer(await self.services.on_files(lambda: keep(content)))

    async def project(self, request: Request) -> Response:
        """Find the code of a picture."""
        body, session = await self._body(Project, request), self._session(request)
        self.services.masks.check(body.region or "all")
        await self.services.make_room(session)
        return self._start(session, lambda progress: project(session, self.services.analyses, body, progress))

    async def compared(self, request: Request) -> Response:
        """Show a photograph beside what was found for it."""
        path = Uploads(self._session(request)).compared(request.path_params["name"])
        if not await self.services.on_files(lambda: is_file(path)):
            raise UnknownNameError("there is no projection of that name in this session")
        return FileResponse(path)

    async def save(self, request: Request) -> Response:
        """Save what a command would write, or send one picture in full size."""
        body, session = await self._body(Save, request), self._session(request)
        if body.what == "frame":
            return await self._frame(session, body)
        saving = Saving(session, self.services.analyses)
        return self._start(session, lambda progress: saving.plan(body).carry_out(progress))

    async def _frame(self, session: Session, view: Save) -> Response:
        services = self.services

        def draw() -> Picture:
            pixels = draw_pixels(services.models.get(view), scene_of(session, view))
            return encode(pixels, None, time.perf_counter(), lossless=True)

        if not view.codes:
            raise OptionError("there is no picture to save: choose a code first")
        return _picture(await services.renders.run((session.id, "frame"), view.seq, draw), view.seq)

    async def command(self, request: Request) -> Response:
        """Write the command that saves the same."""
        body, session = await self._body(Save, request), self._session(request)
        saving = Saving(session, self.services.analyses)
        plan = await self.services.on_files(lambda: saving.plan(body))
        return answer({"command": plan.command, "folder": str(plan.folder)})

    async def file(self, request: Request) -> Response:
        """Send a file of a folder that was saved."""
        self._session(request)
        folder, name = request.path_params["folder"], request.path_params["file"]
        path = await self.services.on_files(lambda: saved_file(self.services.runs, folder, name))
        return FileResponse(path, filename=name)

    def _start(self, session: Session, work: Callable[[Progress], Any]) -> Response:
        return answer(self.services.jobs.start(session.id, work).as_json(), 202)

    async def job(self, request: Request) -> Response:
        """Tell how far a job is."""
        return answer(self._job(request).as_json())

    async def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        job = self._job(request)
        job.cancel()
        return answer(job.as_json())

    async def read_state(self, request: Request) -> Response:
        """Return what the page keeps."""
        return answer(await self.services.on_files(self._session(request).read_state))

    async def write_state(self, request: Request) -> Response:
        """Keep what the page keeps."""
        session = self._session(request)
        try:
            state = await request.json()
            answer(state)  # it can be told again
        except (ValueError, RecursionError):
            raise OptionError("the state is a JSON object") from None
        if not is_dir(session.folder):
            await self.services.make_room(session)
        await self.services.on_files(lambda: session.write_state(state))
        return answer({})

    async def _body(self, kind: type[AnyBody], request: Request) -> AnyBody:
        body = read_body(kind, await request.body())
        return Uploads(self._session(request)).read_tuned(body) if isinstance(body, Opened) else body

    def _session(self, request: Request) -> Session:
        session = open_session(request.path_params["session"], self.services.runs)
        self.services.limits.note(session.id)
        return session

    def _job(self, request: Request) -> Any:
        return self.services.jobs.find(self._session(request).id, request.path_params["name"])


def _asked(request: Request) -> Opened | None:
    """Read the model of a request whose body is a file."""
    content = request.query_params.get("model")
    return None if content is None else read_body(Opened, content.encode(errors="replace"))


def _picture(picture: Picture, number: int) -> Response:
    headers = {
        "X-Zoo-Seq": str(number),
        "X-Zoo-Exact": str(int(picture.exact)),
        "X-Zoo-Columns": str(picture.columns),
        "X-Zoo-Milliseconds": f"{picture.milliseconds:.1f}",
    }
    return Response(picture.content, media_type=picture.media_type, headers=headers)
