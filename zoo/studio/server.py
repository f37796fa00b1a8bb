"""The server: a socket, uvicorn in a thread of its own, and a clean end."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from zoo._utils.paths import expand_home
from zoo.analysis.resources import read_limits
from zoo.errors import CapabilityError, OptionError
from zoo.models.choices import choose_device
from zoo.registry.cards import is_file_name
from zoo.registry.registry import Installation
from zoo.studio.jobs import Jobs
from zoo.studio.kept.analyses import Analyses
from zoo.studio.newest import NewestOnly
from zoo.studio.services import Services
from zoo.studio.shown.opened import OpenModels
from zoo.studio.start import USUAL_HOST as LOOPBACK

# Seconds that the end of the server waits for what is being answered.
_SECONDS_TO_END = 3
# Connections at a time; a browser has six.
_MOST_CONNECTIONS = 512
_BACKLOG = 128
_MOST_PORTS = 65535


class Server:
    """A studio that listens.

    Args:
        model: The model that the page opens first: the name of a card, or a weights file; None for none.
        installation: The plugins and the registry.
        host: The address to listen at.
        port: The port; 0 takes any that is free.
        runs: The folder of all runs.
        device: Where networks compute.
        memory: How much derivatives may use, as text such as ``2GB``; None is what the usual chunk needs.
        origins: Origins by which a proxy makes the studio known.
        options: Options of the architecture, with which `model` is opened unless the page gives others.

    Attributes:
        port: The port that it listens at.
        url: Where the page is, with the token if there is one.

    Raises:
        CapabilityError: If starlette and uvicorn are not installed.
        OptionError: If the port is taken, or an argument is wrong.
        UnknownNameError: If there is no such model.
    """

    def __init__(
        self,
        model: str | None,
        installation: Installation,
        *,
        host: str,
        port: int,
        runs: str | Path = "runs",
        device: str = "auto",
        memory: str | int | None = None,
        origins: Sequence[str] = (),
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        _require_libraries()
        import uvicorn

        from zoo.studio.app import build_app
        from zoo.studio.guard import Door
        from zoo.studio.protocol import ImpatientProtocol

        read_limits(memory)
        choose_device(device)
        if model is None and options:
            raise OptionError(f"-o {next(iter(options))}=…: name the model that this is an option of")
        if model is not None and not is_file_name(model):
            model = installation.registry.resolve(model).name
        models = OpenModels(installation, device, model, options)
        if model is not None:
            models.card(model)
        renders = NewestOnly()
        self._services = Services(models, expand_home(runs), Analyses(models, memory), renders, Jobs(renders.idle))
        self._socket = _bind(host, port)
        token = None if _is_loopback(host) and not origins else secrets.token_urlsafe(24)
        door = Door(host, self._socket.getsockname()[1], token, tuple(origin.rstrip("/") for origin in origins))
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_app(self._services, door),
                http=ImpatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
        )
        shown = LOOPBACK if door.is_open else f"[{host}]" if ":" in host else host
        self.port = door.port
        address = next(iter(door.origins), f"http://{shown}:{door.port}")
        self.url = f"{address}/" + ("" if token is None else f"?token={token}")
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="zoo-studio", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server has ended."""
        self._thread.join()

    def stop(self) -> bool:
        """End the server, and cancel the work that it does.

        Returns:
            Whether all work has ended; a step of it that takes long goes on in its thread.
        """
        self._server.should_exit = True
        self._services.close()
        self._thread.join()
        return self._services.wait(_SECONDS_TO_END)


def _require_libraries() -> None:
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise CapabilityError("the studio needs starlette and uvicorn: pip install 'latent-zoo[studio]'")


def _bind(host: str, port: int) -> socket.socket:
    """Take a port, before anything is said of it."""
    if not 0 <= port <= _MOST_PORTS:
        raise OptionError(f"--port {port}: a port lies within 0 and {_MOST_PORTS}; 0 takes any that is free")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as opened:
            bound = opened.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
            opened.pop_all()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(
            f"cannot listen at {host}, port {port}: {reason}; pass another --port, or 0 for any"
        ) from None
    return bound


def _is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
