"""A process of the local engine: it is sent cells one by one, carries them out, and ends with the process above it."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from zoo._utils.writing.claims import ClaimedError
from zoo.errors import ZooError, is_out_of_memory, message_of, one_line
from zoo.registry.registry import load_installation
from zoo.sweep.cells import Cell, Settings
from zoo.sweep.compute import CellComputer
from zoo.sweep.folder import SweepFolder

# What a process answers: that it has begun, and for each cell one of the others.
READY, DONE, FAILED, CLAIMED = "ready", "done", "failed", "claimed"


@dataclass(frozen=True)
class Setup:
    """What a process needs to know before it is sent a cell.

    Attributes:
        folder: The folder of the sweep.
        settings: What all cells have in common.
        registry: Registry files beside those that are always read.
        device: The device of this process; None is that of the settings.
        environment: The variables of the process above.
        working_folder: Its working folder.
    """

    folder: Path
    settings: Settings
    registry: tuple[Path, ...]
    device: str | None
    environment: Mapping[str, str]
    working_folder: str


def carry_out(computer: CellComputer, name: str, cell: Cell) -> tuple[str, str | None]:
    """Carry a cell out, whatever becomes of it.

    Args:
        computer: What carries it out.
        name: The name of the cell.
        cell: The cell.

    Returns:
        `DONE`, `FAILED` with what went wrong in a line, or `CLAIMED`.
    """
    try:
        computer.compute(name, cell)
    except ClaimedError:
        return CLAIMED, None
    except ZooError as error:
        return FAILED, str(error)
    except Exception as error:
        if is_out_of_memory(error):
            return FAILED, "out of memory: fewer samples, a smaller chunk or fewer --jobs need less"
        return FAILED, one_line(f"{type(error).__name__}: {message_of(error)}")
    return DONE, None


def work(connection: Connection, setup: Setup) -> None:
    """Answer cells until the other side is gone or sends None.

    Args:
        connection: Cells come from it as (name, cell); answers are sent as (answer, name, error).
        setup: Everything else.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process above, which then ends this one
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.update(setup.environment)
    os.chdir(setup.working_folder)
    _print_to(setup.folder)
    torch.set_num_threads(setup.settings.threads)
    installation = load_installation(setup.registry)
    computer = CellComputer(SweepFolder(setup.folder), setup.settings, installation, setup.device)
    cells: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(connection, cells), daemon=True).start()
    try:
        connection.send((READY, None, None))
        while (sent := cells.get()) is not None:
            name, cell = sent
            answer, error = carry_out(computer, name, cell)
            connection.send((answer, name, error))
    except (KeyboardInterrupt, BrokenPipeError):
        return


def _listen(connection: Connection, cells: queue.Queue[Any]) -> None:
    """Pass cells on; when the process above has ended, end this one, even in the middle of a cell."""
    try:
        while True:
            cells.put(connection.recv())
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_to(folder: Path) -> None:
    """Let what this process and its libraries print go to a file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log = os.open(SweepFolder(folder).log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
