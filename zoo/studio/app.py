"""The application: which path is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from zoo.studio.answers import fail
from zoo.studio.calls import Api
from zoo.studio.guard import Door, Guard
from zoo.studio.services import Services

Call = Callable[[Api, Request], Awaitable[Response]]

STATIC = Path(__file__).parent / "static"

# Methods and paths below that of a session, by the call that answers them.
_CALLS: list[tuple[str, str, Call]] = [
    ("POST", "/open", Api.open),
    ("POST", "/render", Api.render),
    ("POST", "/heat", Api.heat),
    ("POST", "/region", Api.region),
    ("POST", "/analyze", Api.analyze),
    ("GET", "/results", Api.results),
    ("PATCH", "/results/{name}", Api.mark),
    ("DELETE", "/results/{name}", Api.delete),
    ("POST", "/upload", Api.upload),
    ("POST", "/project", Api.project),
    ("GET", "/compared/{name}", Api.compared),
    ("POST", "/save", Api.save),
    ("POST", "/command", Api.command),
    ("GET", "/files/{folder}/{file}", Api.file),
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
