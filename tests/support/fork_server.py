"""Run Python without starting it: a server has imported torch and zoo once, and forks for every command.

More than half of the time of the tests would otherwise be spent on ``import torch``. Tests write `python` and `zoo`,
the paths of two executables, where they would write ``sys.executable`` and the installed command; the folder of both
may also stand first on ``PATH``. Each of them hands its arguments, working folder, environment and three streams to
the server over a Unix socket, and ends as the command ends.

::

    test ── starts ──> python or zoo (stand_in.py) ── request, streams ──> server
      <── exit code ──        <── process id, exit code ── guard <── forks ──┘
                                                             └── forks ──> the command

For each request the server forks a guard, which forks the command, waits for it, and kills it where the caller dies.

A forked command differs from a true process in this: modules of zoo, torch and what `LIBRARIES` names are imported
already; torch computes in one thread; of the variables that Python itself reads only ``PYTHONPATH``,
``PYTHONSAFEPATH`` and ``PYTHONDONTWRITEBYTECODE`` count; of its options only ``-P``, ``-W ACTION``, ``-m``
and ``-c``. Tests of start-up, of the wheel, and one page of the documents use true processes, and so do all tests
where ``TESTS_FORK_SERVER=0``.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

STAND_IN = Path(__file__).with_name("stand_in.py")
COMMANDS = ("python", "zoo", "pytest")
# The folder of the server that the processes of one test run share, or 0.
SWITCH = "TESTS_FORK_SERVER"

PACKAGES = ("zoo", "zoo_adapters", "zoo_analyzers", "zoo_scorers")
# What is imported before the first fork. The private modules are those that a first derivative imports.
LIBRARIES = (
    *("numpy", "torch", "torch._dynamo", "torch._decomp.decompositions_for_jvp", "safetensors.torch"),
    *("PIL.PngImagePlugin", "PIL.WebPImagePlugin", "requests", "rich.progress", "jinja2"),
)
# What must not be imported before the fork, as it reads variables when it is imported.
READ_THE_ENVIRONMENT = ("huggingface_hub", "timm", "gdown", "matplotlib")


# The tests' side


def python() -> str:
    """Return the executable that stands in for ``python``."""
    folder = _running()
    return str(folder / "python") if folder else sys.executable


def zoo() -> str:
    """Return the executable that stands in for ``zoo``."""
    return str(commands() / "zoo")


def commands() -> Path:
    """Return the folder of `COMMANDS`."""
    return _running() or Path(sys.executable).parent


def share() -> None:
    """Let the processes that this one starts use its server."""
    folder = _running()
    if folder:
        os.environ[SWITCH] = str(folder)


@dataclass
class Forked:
    """A command that a fork server runs, with the methods of `subprocess.Popen` that tests of kills need.

    Attributes:
        connection: where the exit code arrives.
        server: the path of the server's socket.
        pid: the process id, which is the id of its process group too.
        returncode: the exit code; None until it is known.
    """

    connection: socket.socket
    server: str
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the command runs."""
        if self.returncode is None and select.select([self.connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for the end and return the exit code, negative where a signal ended it."""
        from tests.support.stand_in import receive_number

        if self.returncode is None:
            self.returncode = receive_number(self.connection, self.server)
            self.connection.close()
        return self.returncode


def start(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Forked | subprocess.Popen[bytes]:
    """Start ``python`` in a process group of its own, without streams, and return it at once.

    Unlike a process that is started from `python`, this one is the command itself: killed, it is dead at once.

    Args:
        arguments: those of ``python``.
        folder: the working folder.
        environment: all the variables.

    Returns:
        The process.
    """
    from tests.support.stand_in import ask

    running = _running()
    with Path(os.devnull).open("r+b") as null:
        if running is None:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env=environment,
                stdin=null,
                stdout=null,
                stderr=null,
                start_new_session=True,
            )
        server = str(running / "socket")
        connection, pid = ask(server, arguments, str(folder), environment, [null.fileno()] * 3)
        return Forked(connection, server, pid)


def _running() -> Path | None:
    """Return the folder of the server, which is started if need be; None for true processes."""
    chosen = os.environ.get(SWITCH)
    if chosen == "0" or not hasattr(os, "fork"):
        return None
    return Path(chosen) if chosen else _started()


@functools.cache
def _started() -> Path:
    """Start a server that ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="zoo-tests-"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    for name in COMMANDS:
        (folder / name).write_text(f"#!{sys.executable} -IS\n{STAND_IN.read_text('utf-8')}", "utf-8")
        (folder / name).chmod(0o755)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno())],
            stdin=subprocess.PIPE,  # closed when this process ends, however it ends
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # as a thread does not survive a fork
        )
    listener.close()
    atexit.register(_stop, server, folder)
    return folder


def _stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


# The server's side


def modules() -> Iterator[str]:
    """Name every module of zoo, except the scaffold's templates, what runs when it is imported, and the studio.

    The studio's server imports anyio, which is a plugin of pytest too; pytest must be the first to import its plugins.
    """
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield from (
            module.name
            for module in pkgutil.walk_packages(package.__path__, f"{name}.")
            if not module.name.endswith("__main__") and not module.name.startswith("zoo.studio.")
        )


def _preload() -> None:
    """Import what every command needs. No thread may be started: a forked process has only the one that forked."""
    for name in (*LIBRARIES, *modules()):
        importlib.import_module(name)
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    early = [name for name in READ_THE_ENVIRONMENT if name in sys.modules]
    assert not early, f"{early} read the environment, and may not be imported before it is set"
    gc.freeze()  # so that the collector does not write to every object, and memory stays shared


def _accept(listener: socket.socket) -> socket.socket:
    """Fork for every connection, and return it in the new process; end with the process that started the server."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that the system forgets guards that have ended
    while True:
        ready = select.select([listener.fileno(), 0], [], [])[0]
        if 0 in ready:
            os._exit(0)
        connection = listener.accept()[0]
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return connection
        connection.close()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read a request and the descriptors that come with it."""
    size, descriptors, _, _ = socket.recv_fds(connection, 12, 3)
    content = b""
    while len(content) < int(size):
        content += connection.recv(int(size) - len(content))
    return json.loads(content), descriptors


def _guarded(connection: socket.socket) -> dict[str, Any]:
    """Fork the command and return its request there. The guard waits for its end, or kills it if its caller is gone."""
    request, descriptors = _receive(connection)
    living, life = os.pipe()  # the command holds `life` as long as it lives
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.close(living)
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return request
    for descriptor in (0, 1, 2, life, *descriptors):
        os.close(descriptor)
    with suppress(OSError):  # it may have ended already
        os.setpgid(pid, pid)  # here too, so that the group is there before anybody knows of it
    connection.sendall(b"%d\n" % pid)
    if connection.fileno() in select.select([connection.fileno(), living], [], [])[0]:
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.sendall(b"%d\n" % code)
    finally:
        os._exit(0)


def _become(request: Mapping[str, Any], own_path: Sequence[str]) -> None:
    """Take over the folder, the environment, the streams and the search path that a new process would have."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    further = os.environ.get("PYTHONPATH")
    sys.path[:] = [*(os.path.abspath(part) for part in further.split(os.pathsep))] if further else []  # noqa: PTH100
    sys.path += own_path
    importlib.invalidate_caches()
    tempfile.tempdir = None
    importlib.import_module("numpy").random.seed()


def _run(arguments: list[str], default_filter: object) -> None:
    """Do what ``python ARGUMENTS`` does, in a module ``__main__`` of its own."""
    safe = bool(os.environ.get("PYTHONSAFEPATH"))
    while arguments[0] in {"-P", "-W"}:
        if arguments.pop(0) == "-P":
            safe = True
        else:
            _warn(arguments.pop(0), default_filter)
    first = arguments.pop(0)
    if first == "-m":
        sys.path[:0] = [] if safe else [os.getcwd()]  # noqa: PTH109
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.path[:0] = [] if safe else [""]
        sys.argv = ["-c", *arguments[1:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[0], "<string>", "exec", dont_inherit=True), main.__dict__)
    else:
        sys.path[:0] = [] if safe else [os.path.dirname(os.path.abspath(first))]  # noqa: PTH100, PTH120
        sys.argv = [first, *arguments]
        runpy.run_path(first, run_name="__main__")


def _warn(action: str, default_filter: object) -> None:
    """Do what ``-W ACTION`` does: such a filter stands before Python's own, and after those that modules have set."""
    place = warnings.filters.index(default_filter)
    warnings.simplefilter(action)  # type: ignore[arg-type]
    warnings.filters.insert(place, warnings.filters.pop(0))  # type: ignore[attr-defined]


def _exit_code(arguments: list[str], default_filter: object) -> int:
    """Run a command and say how it ended, after what it raised was printed as usual."""
    try:
        _run(arguments, default_filter)
    except SystemExit as error:
        if isinstance(error.code, int | None):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """Do what the end of Python does, except that it frees no object, which takes half a second."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        code = 120
    os._exit(code)


def _main() -> None:
    default_filter = warnings.filters[0]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ours = os.environ.get("PYTHONPATH", "")
    own_path = sys.path[len(ours.split(os.pathsep)) if ours else 0 :]
    _preload()
    request = _guarded(_accept(socket.socket(fileno=int(sys.argv[1]))))
    _become(request, own_path)
    _end(_exit_code(request["arguments"], default_filter))


if __name__ == "__main__":
    _main()
