"""A process of the local engine: it is sent tasks one by one, carries them out, and ends with the process above it."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from zoo.engines.tasks import FAILED, Setup, Task, carry_out
from zoo.errors import ZooError, one_line

# What a process answers once it is prepared.
READY = "ready"


def work(connection: Connection, setup: Setup, device: str | None) -> None:
    """Answer tasks until the other side is gone or sends None.

    Messages are pickled here: `Connection.send` would hand tensors over in shared memory, which a killed process
    does not give back.

    Args:
        connection: Tasks come from it; (answer, value) are sent, first `READY`, or `FAILED` where this process cannot
            do the work.
        setup: What it needs to know.
        device: Where it computes; None leaves that to the work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process above, which then ends this one
    signal.signal(signal.SIGTERM, _interrupt)
    tasks: queue.Queue[Task | None] = queue.Queue()
    try:
        if setup.log is not None:
            _print_to(setup.log)
        function = prepare(setup, device)
        threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
        _send(connection, READY, None)
        while (task := tasks.get()) is not None:
            _send(connection, *carry_out(function, task))
    except ZooError as error:
        _send(connection, FAILED, one_line(str(error)))
    except (KeyboardInterrupt, BrokenPipeError):
        return


def prepare(setup: Setup, device: str | None) -> Callable[[Task], Any]:
    """Let this process be like the one above it, and open the work.

    Args:
        setup: What it needs to know.
        device: Where it computes; None leaves that to the work.

    Returns:
        What `Work.open` returned.

    Raises:
        ZooError: If this process cannot do the work.
    """
    os.environ.update(setup.environment)
    if os.path.isdir(setup.working_folder):  # noqa: PTH112
        os.chdir(setup.working_folder)
    torch.set_num_threads(setup.threads)
    return setup.work.open(device)


def receive(connection: Connection) -> Any:
    """Receive what the other side has sent.

    Args:
        connection: The connection.

    Returns:
        Its content.

    Raises:
        EOFError: If the other side is gone.
        OSError: If it went in the middle.
    """
    return pickle.loads(connection.recv_bytes())


def _send(connection: Connection, answer: str, value: Any) -> None:
    connection.send_bytes(pickle.dumps((answer, value), pickle.HIGHEST_PROTOCOL))


def _listen(connection: Connection, tasks: queue.Queue[Task | None]) -> None:
    """Pass tasks on; when the process above has ended, end this one, even in the middle of a task."""
    try:
        while True:
            tasks.put(receive(connection))
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_to(path: Path) -> None:
    """Let what this process and its libraries print go to a file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
