"""Starting the studio, and waiting for its end."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.registry.registry import Installation, load_installation

USUAL_PORT = 8765
USUAL_HOST = "127.0.0.1"
# Hosts that stand for all addresses of the machine.
EVERYWHERE = ("0.0.0.0", "::")


def studio(
    model: str | Path | None = None,
    *,
    port: int = USUAL_PORT,
    host: str = USUAL_HOST,
    open_browser: bool = False,
    runs: str | Path = "runs",
    device: str = "auto",
    memory: str | int | None = None,
    origins: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    registry: Iterable[str | Path] = (),
) -> None:
    """Show models and their directions in a browser, until Ctrl-C.

    The address of the page is printed. Only this machine reaches it, unless `host` is another address of the machine;
    the address then ends with a token that every request must know.

    Args:
        model: The model that the page opens first: the name of a card, or a weights file.
        port: The port to listen at; 0 takes any that is free.
        host: The address to listen at; ``0.0.0.0`` is all addresses of the machine.
        open_browser: Open the page in a browser.
        runs: The folder that runs are saved to; sessions are kept in its folder ``studio``.
        device: Where networks compute: ``cpu``, ``cuda``, ``cuda:1`` …; ``auto`` is CUDA where there is one.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``; None is what the usual chunk needs.
        origins: Origins by which a proxy makes the studio known, such as ``https://studio.example.org``.
        options: Options of the architecture, for `model`; see `zoo.load`.
        registry: Further registry files.

    Raises:
        CapabilityError: If starlette and uvicorn are not installed.
        OptionError: If the port is taken, or an argument is out of range.
        UnknownNameError: If there is no such model.
    """
    from zoo.studio.bodies import as_texts

    name = None if model is None else str(model)
    serve(
        name,
        load_installation(registry),
        port=port,
        host=host,
        open_browser=open_browser,
        runs=runs,
        device=device,
        memory=memory,
        origins=origins,
        options=as_texts(options or {}),
    )


def serve(
    model: str | None,
    installation: Installation,
    *,
    port: int,
    host: str,
    open_browser: bool,
    runs: str | Path,
    device: str,
    memory: str | int | None,
    origins: Sequence[str],
    options: Mapping[str, str],
) -> bool:
    """Start the server, print where it is, and wait for Ctrl-C; see `studio`.

    Args:
        model: See `studio`.
        installation: The plugins and the registry.
        port: See `studio`.
        host: See `studio`.
        open_browser: See `studio`.
        runs: See `studio`.
        device: See `studio`.
        memory: See `studio`.
        origins: See `studio`.
        options: See `studio`.

    Returns:
        Whether all work has ended; a step of it that takes long goes on in its thread.
    """
    from zoo.studio.server import Server

    server = Server(
        model,
        installation,
        host=host,
        port=port,
        runs=runs,
        device=device,
        memory=memory,
        origins=origins,
        options=options,
    )
    server.start()
    everywhere = host in EVERYWHERE and not origins
    others = " (from other machines: with the address of this one)" if everywhere else ""
    print(f"studio: {server.url}{others}", flush=True)
    if open_browser:
        webbrowser.open(server.url)
    try:
        server.wait()
    except KeyboardInterrupt:
        print("studio: ending", flush=True)
    return server.stop()
