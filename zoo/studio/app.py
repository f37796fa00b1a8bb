"""The calls of the page: which path is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from zoo._version import __version__
from zoo.errors import OptionError
from zoo.studio.answers import answer, fail
from zoo.studio.bodies import Analyze, Body, Marks, Opened, RegionText, View, read_body
from zoo.studio.guard import Door, Guard
from zoo.studio.kept.requests import codes_request
from zoo.studio.kept.results import Results
from zoo.studio.kept.sessions import Session, open_session
from zoo.studio.kept.uploads import Uploads
from zoo.studio.services import Services, scene_of
from zoo.studio.shown.description import describe_model, list_models
from zoo.studio.shown.rendering import Picture, render_scene

AnyBody = TypeVar("AnyBody", bound=Body)
Call = Callable[["Api", Request], Awaitable[Response]]

STATIC = Path(__file__).parent / "static"


class Api:
    """The calls.

    Args:
        services: What they need.
    """

    def __init__(self, services: Services) -> None:
        self.services = services

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
        job = self.services.jobs.start(
            session.id,
            lambda progress: describe_model(models.get(body, progress).model, models.installation),
        )
        return answer(job.as_json(), 202)

    async def render(self, request: Request) -> Response:
        """Draw pictures."""
        view, session = await self._body(View, request), self._session(request)
        services = self.services

        def draw() -> Picture:
            return render_scene(services.models.get(view), scene_of(session, view), view.size)

        picture = await services.renders.run((session.id, view.lane), view.seq, draw)
        return _picture(picture, view.seq)

    async def region(self, request: Request) -> Response:
        """Keep a painted mask, or read a region in words."""
        services, content = self.services, await request.body()
        self._session(request)
        if request.headers.get("content-type", "").startswith("application/json"):
            body = read_body(RegionText, content)
            model = services.models
            return answer(await services.on_files(lambda: services.masks.describe(model.get(body).model, body.text)))
        return answer(await services.on_files(partial(services.masks.paint, content)))

    async def analyze(self, request: Request) -> Response:
        """Find directions."""
        body, session = await self._body(Analyze, request), self._session(request)
        services = self.services
        services.masks.check(body.region or "all")
        job = services.jobs.start(
            session.id,
            lambda progress: services.analyses.run(
                Results(session), body, codes_request(session, services.models, body), progress
            ),
        )
        return answer(job.as_json(), 202)

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
        session, query = self._session(request), request.query_params
        name, content = request.headers.get("x-zoo-name", "file"), await request.body()
        asked = read_body(Opened, query.get("model", "{}").encode())
        as_kind = query.get("as")
        if as_kind not in {None, "codes", "directions"}:
            raise OptionError(f"as={as_kind}: there are codes and directions")
        opened = self.services.models.get(asked)

        def keep() -> dict[str, Any]:
            return Uploads(session).receive(content, name, opened.model, asked, as_kind)  # type: ignore[arg-type]

        return answer(await self.services.on_files(keep))

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
        except ValueError:
            raise OptionError("the state is a JSON object") from None
        await self.services.on_files(lambda: session.write_state(state))
        return answer({})

    async def _body(self, kind: type[AnyBody], request: Request) -> AnyBody:
        return read_body(kind, await request.body())

    def _session(self, request: Request) -> Session:
        return open_session(request.path_params["session"], self.services.runs)

    def _job(self, request: Request) -> Any:
        return self.services.jobs.find(self._session(request).id, request.path_params["name"])


def _picture(picture: Picture, number: int) -> Response:
    headers = {
        "X-Zoo-Seq": str(number),
        "X-Zoo-Exact": str(int(picture.exact)),
        "X-Zoo-Columns": str(picture.columns),
        "X-Zoo-Milliseconds": f"{picture.milliseconds:.1f}",
    }
    return Response(picture.content, media_type=picture.media_type, headers=headers)


# Methods and paths below that of a session, by the call that answers them.
_CALLS: list[tuple[str, str, Call]] = [
    ("POST", "/open", Api.open),
    ("POST", "/render", Api.render),
    ("POST", "/region", Api.region),
    ("POST", "/analyze", Api.analyze),
    ("GET", "/results", Api.results),
    ("PATCH", "/results/{name}", Api.mark),
    ("DELETE", "/results/{name}", Api.delete),
    ("POST", "/upload", Api.upload),
    ("GET", "/jobs/{name}", Api.job),
    ("DELETE", "/jobs/{name}", Api.cancel),
    ("GET", "/state", Api.read_state),
    ("PUT", "/state", Api.write_state),
]


def build_app(services: Services, door: Door) -> Guard:
    """Assemble the application.

    Args:
        services: What the calls need.
        door: Who may ask.

    Returns:
        The ASGI application.
    """
    api = Api(services)

    def answering(call: Call) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await call(api, request)
            except Exception as error:
                return fail(error)

        return endpoint

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    routes = [
        Route("/", page),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/api/models", answering(Api.models)),
        *(Route(f"/api/{{session}}{path}", answering(call), methods=[method]) for method, path, call in _CALLS),
    ]
    return Guard(Starlette(routes=routes), door)
