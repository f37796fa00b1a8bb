"""One attack, in a process of its own with limits, and what came of it."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.attack.attack import (
    ERROR,
    EXECUTED,
    FACTOR,
    LARGE,
    LOST,
    MEGABYTES,
    PWNED,
    READ,
    REFUSED,
    SECONDS,
    SLOW,
    WRONG,
    Attack,
)
from tests.support import fork_server
from zoo.errors import ZooError

# What starts a process, by the name of Python's audit event.
_STARTS = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "subprocess.Popen"}
# Programs that Python's platform module and zoo itself start: none is chosen by an input.
_HARMLESS = ("uname", "ffmpeg", "ldconfig")
# Seconds of the clock after which an attack hangs.
_HANGS = 180
_GIGABYTES = 4


@dataclass(frozen=True)
class Result:
    """What came of an attack: one of `OUTCOMES`, in words, processor time in s, peak above the baseline in bytes."""

    outcome: str
    words: str
    seconds: float
    memory: int


class TooSlowError(BaseException):
    """Raised by an alarm; nothing in zoo catches it."""


def preload() -> None:
    """Import what commands need, so that a fork has it: neither its time nor its memory is an attack's."""
    for name in (*fork_server.LIBRARIES, *fork_server.modules()):
        importlib.import_module(name)
    importlib.import_module("torch").set_num_threads(1)
    gc.freeze()


def attempt(attack: Attack) -> Result:
    """Make an attack's input, run it, and say what came of it."""
    base = Path(tempfile.mkdtemp(prefix="zoo-attack-"))
    folder = base / "folder"
    folder.mkdir()
    made = None
    try:
        made = attack.make(folder)
        return _attempt(attack, base, folder)
    finally:
        if hasattr(made, "close"):
            made.close()
        shutil.rmtree(base, ignore_errors=True)


def _attempt(attack: Attack, base: Path, folder: Path) -> Result:
    before = {name: _digest(folder / name) for name in attack.keeps}
    largest, size = _sizes(folder) if attack.size is None else (attack.size, attack.size)
    pid = os.fork()
    if pid == 0:
        _become(attack, base, folder, largest)
    status, usage = _wait(pid)
    outcome, words = _outcome(status, base)
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 - int(_text(base / "baseline") or 0)
    if outcome in {READ, REFUSED}:
        outcome, words = _judge(attack, folder, base, seconds, memory - FACTOR * size) or (outcome, words)
    changed = [name for name in attack.keeps if _digest(folder / name) != before[name]]
    if changed:
        outcome, words = LOST, ", ".join(changed)
    return Result(outcome, words[:300], seconds, max(0, memory))


def _sizes(folder: Path) -> tuple[int, int]:
    """The sizes of all files: as they claim, and as they are stored."""
    files = [path.stat(follow_symlinks=False) for path in folder.rglob("*") if path.is_file()]
    return sum(one.st_size for one in files), sum(min(one.st_size, 512 * one.st_blocks) for one in files)


def _digest(path: Path) -> str:
    """What is at a path, with all that a folder holds; a file that is not there has a digest of its own."""
    if path.is_dir() and not path.is_symlink():
        return "folder " + " ".join(f"{one.name!r}:{_digest(one)}" for one in sorted(path.iterdir()))
    if path.is_symlink():
        return f"link {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else f"nothing {path.exists()}"


# --- in the forked process -------------------------------------------------------------------------------------------


def _become(attack: Attack, base: Path, folder: Path, size: int) -> NoReturn:
    """Run the attack and leave its outcome in a file beside the folder."""
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts behind `&` ignore it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup this one
        os.chdir(folder)
        _redirect(base)
        _settle(attack, base)
        limit(size)
        give_back()
        (base / "baseline").write_text(str(resident()), "ascii")
        if not attack.others:
            watch(base / "started")
        (base / "outcome").write_text(json.dumps(_run(attack, folder)), "utf-8")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(base: Path) -> None:
    for number, name in enumerate([Path(os.devnull), base / "stdout", base / "stderr"]):
        opened = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115


def _settle(attack: Attack, base: Path) -> None:
    """Give the attack a cache, settings and a home of its own."""
    own = {"ZOO_CACHE": "cache", "ZOO_CONFIG": "config", "HOME": "home", "ZOO_JACOBIANS": "jacobians"}
    os.environ.update({variable: str(base / name) for variable, name in own.items()})
    (base / "home").mkdir()
    for variable, value in attack.environment.items():
        os.environ.pop(variable, None)
        if value is not None:
            os.environ[variable] = value
    tempfile.tempdir = None


def give_back() -> None:
    """Take from this process what its parent has no more use for, so that an attack cannot use it uncounted.

    A fork inherits the free memory of the allocator, and garbage that a collection would free: an attack that takes
    memory after either would hardly grow the process.
    """
    gc.freeze()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def limit(size: int, seconds: float = SECONDS) -> None:
    """Limit processor time and memory so that the machine survives; the bound itself is measured."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds + 10)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    memory = pages * resource.getpagesize() + FACTOR * size + (_GIGABYTES << 30)
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def watch(into: Path) -> None:
    """Write each process that is started from now on into a file."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            started = str(arguments[0]) if arguments else ""
            if not Path(started).name.startswith(_HARMLESS):
                with into.open("a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{event} {started}\n")

    sys.addaudithook(hook)


def _run(attack: Attack, folder: Path) -> tuple[str, str]:
    if callable(attack.run):
        return called(lambda: attack.run(folder))  # type: ignore[operator]
    from zoo.cli import run

    code = run([str(word) for word in attack.run])
    return {0: READ, 2: REFUSED}.get(code, ERROR), f"exit code {code}"


def called(function: Callable[[], object]) -> tuple[str, str]:
    """Call a function and say what came of it."""
    try:
        function()
    except ZooError as error:
        return (REFUSED if is_one_line(str(error)) and error.exit_code == 2 else ERROR), str(error)
    except AssertionError as error:
        return WRONG, str(error)
    except MemoryError as error:
        return LARGE, str(error)
    except TooSlowError as error:
        return SLOW, str(error)
    except Exception as error:
        return ERROR, f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"
    return READ, ""


def is_one_line(message: str) -> bool:
    """Whether a message is one line of a sensible length without control signs."""
    return bool(message) and len(message) < 1000 and is_plain(message) and "\n" not in message


def is_plain(text: str) -> bool:
    """Whether a text has no signs that steer a terminal or turn the direction of writing."""
    return text.isprintable() or not any(
        unicodedata.category(sign) in {"Cc", "Cf", "Cs"} and sign not in "\n\t" for sign in text
    )


# --- in the first process --------------------------------------------------------------------------------------------


def resident() -> int:
    """The memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    """Wait for a process, and kill it with its own where it hangs."""
    start = time.monotonic()
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - start > _HANGS:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGALRM)
                os.killpg(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            status = signal.SIGXCPU
            break
        time.sleep(0.005)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status), usage


def _outcome(code: int, base: Path) -> tuple[str, str]:
    """Read what the process left, or say how it died."""
    if code == -signal.SIGXCPU:
        return SLOW, "it was stopped"
    if code or not (base / "outcome").exists():
        return ERROR, f"it ended with {code}: {_text(base / 'stderr')[-200:]}"
    outcome, words = json.loads((base / "outcome").read_text("utf-8"))
    if words.startswith("exit code "):
        return _of_command(outcome, words, _text(base / "stdout"), _text(base / "stderr"))
    return outcome, words


def _of_command(outcome: str, words: str, out: str, err: str) -> tuple[str, str]:
    """Judge what a command printed: a refusal is one line that is neither a warning nor a licence."""
    lines = [line for line in err.splitlines() if line.startswith("zoo: ") and not line.startswith("zoo: warning: ")]
    words = lines[-1] if lines else words
    if "Traceback (most recent call last)" in err or (outcome == REFUSED and len(lines) != 1):
        return ERROR, err[-300:]
    if "out of memory" in words:
        return LARGE, words
    return (outcome, words) if is_plain(out + err) else (WRONG, f"control signs in {(out + err)[:200]!r}")


def _judge(attack: Attack, folder: Path, base: Path, seconds: float, beyond: int) -> tuple[str, str] | None:
    """Say what is wrong beside the outcome itself; None if nothing is."""
    started = _text(base / "started")
    if started or any(base.rglob(PWNED)):
        return EXECUTED, started
    if seconds > SECONDS:
        return SLOW, f"{seconds:.1f} s"
    if beyond > MEGABYTES << 20:
        return LARGE, f"{beyond >> 20} MB beyond {FACTOR} x the input"
    if attack.check is None:
        return None
    try:
        attack.check(folder)
    except AssertionError as error:
        return WRONG, str(error) or "the check failed"
    return None


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.exists() else ""
