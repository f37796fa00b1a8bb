"""Ask a fork server to run Python, and behave as the process that runs it.

The server writes this file beside its socket, under the name of each command: see `tests.support.fork_server`.
It therefore uses the standard library only, and little of it, so that it starts in some 20 milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

SERVER_LOST = 70


def ask(
    server: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str], streams: Sequence[int]
) -> tuple[socket.socket, int]:
    """Start a command.

    Args:
        server: the path of the server's socket.
        arguments: those of ``python``.
        folder: the working folder.
        environment: all the variables.
        streams: the file descriptors of standard input, output and error.

    Returns:
        The connection, on which the exit code will arrive, and the process id.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    request = json.dumps({"arguments": list(arguments), "folder": folder, "environment": dict(environment)})
    try:
        socket.send_fds(connection, [f"{len(request):12}".encode()], list(streams))
        connection.sendall(request.encode("ascii"))
    except ConnectionError:  # the server could not start: no answer will come either, which is reported there
        pass
    return connection, receive_number(connection, server)


def receive_number(connection: socket.socket, server: str) -> int:
    """Wait for a line that holds a number: the process id, or the exit code, negative for a signal.

    Args:
        connection: as `ask` returned it.
        server: the path of the server's socket.

    Returns:
        The number, or `SERVER_LOST` where the server is gone.
    """
    line = b""
    while not line.endswith(b"\n"):
        try:
            byte = connection.recv(1)
        except ConnectionError:
            byte = b""
        if not byte:
            with open(f"{os.path.dirname(server)}/log", encoding="utf-8") as log:  # noqa: PTH120, PTH123
                print(f"the fork server of the tests is gone:\n{log.read()}", file=sys.stderr)
            return SERVER_LOST
        line += byte
    return int(line)


def main() -> int:
    """Stand in for ``python``, or for ``python -P -m NAME`` under any other name.

    Returns:
        The exit code.
    """
    place, name = os.path.split(os.path.abspath(sys.argv[0]))  # noqa: PTH100 pathlib takes as long as all the rest
    arguments = [*([] if name == "python" else ["-P", "-m", name]), *sys.argv[1:]]
    connection, pid = ask(f"{place}/socket", arguments, os.getcwd(), os.environ, [0, 1, 2])  # noqa: PTH109
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, frame: os.killpg(pid, received))
    code = receive_number(connection, f"{place}/socket")
    if code < 0:  # end by the same signal, so that whoever waits sees it
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
