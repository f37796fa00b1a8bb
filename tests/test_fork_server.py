"""A command that the fork server runs does what a process of its own does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.marks import mostly_long
from tests.support.stand_in import SERVER_LOST
from tests.support.toys import write_tiny

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a server that forks needs fork")

SHOW = """
import os, sys, warnings
print(sorted(os.environ.items()), os.getcwd(), sys.argv, sys.stdin.read(), __name__)
print(sys.path[:3], sys.stdout.isatty(), sys.dont_write_bytecode, os.path.exists("/proc/self/fd/3"))
print("\\N{SNOWMAN}", end="", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def both(arguments: list[str], folder: Path, given: str = "", **variables: str) -> list[tuple[int, str, str]]:
    """Run Python twice, as a true process and by the server: the exit code, standard output and standard error."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    ran = [
        subprocess.run(
            [python, *arguments], cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False
        )
        for python in (sys.executable, fork_server.python())
    ]
    return [(done.returncode, done.stdout, done.stderr) for done in ran]


@pytest.mark.parametrize("code", ["0", "3"])
def test_folder_environment_streams_and_exit_code(code: str, tmp_path: Path) -> None:
    true, forked = both(["-c", SHOW, code, "a b"], tmp_path, "given", PYTHONPATH=str(tmp_path), STRANGE="é\udcff\n")
    assert forked == true
    assert true[0] == int(code)
    assert "given" in true[1] and str(tmp_path) in true[1] and true[2] == "\N{SNOWMAN}"


@pytest.mark.long
def test_commands_write_the_same(tmp_path: Path) -> None:
    write_tiny(tmp_path / "tiny.safetensors")
    question = ["-m", "zoo", "analyze", "./tiny.safetensors", "-a", "lowrank", "-r", "center", "--samples", "2"]
    results = []
    for name, python in (("true", sys.executable), ("forked", fork_server.python())):
        # Files record the number of threads. A licence is shown once for each folder of settings.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ZOO_CONFIG": str(tmp_path / name)}
        command = [python, *question, "--force"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        [run] = (tmp_path / "runs").iterdir()
        files = {path.name: path.read_bytes() for path in run.iterdir()}
        results.append((done.returncode, done.stdout, done.stderr, files))
    assert results[0] == results[1]
    assert results[0][0] == 0 and len(results[0][3]) == 5


@pytest.mark.parametrize(
    "arguments",
    mostly_long([["-m", "zoo", "info", "dcgna"], ["-m", "zoo", "list", "--json"]], (["-m", "zoo", "info", "dcgna"],)),
)
def test_commands_print_the_same(arguments: list[str], tmp_path: Path) -> None:
    true, forked = both(arguments, tmp_path)
    assert forked == true


def test_the_command_by_its_name(tmp_path: Path) -> None:
    """A module in the working folder is not run, whatever its name."""
    (tmp_path / "zoo.py").write_text("raise SystemExit('run')")
    path = os.pathsep.join([str(fork_server.commands()), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": ""}
    done = subprocess.run(
        ["bash", "-c", "zoo --version | tee file"], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert done.stdout.startswith(b"zoo ") and (tmp_path / "file").read_bytes() == done.stdout


def test_modules_and_plugins_come_from_the_search_path(tmp_path: Path) -> None:
    """Also those that were installed after another command had looked."""
    for round_ in ("first", "second"):
        (tmp_path / f"{round_}.py").write_text("from zoo import hookimpl\nprint('loaded', __name__)\n")
        (tmp_path / f"{round_}-1.dist-info").mkdir()
        (tmp_path / f"{round_}-1.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {round_}\nVersion: 1\n"
        )
        (tmp_path / f"{round_}-1.dist-info" / "entry_points.txt").write_text(f"[zoo]\n{round_} = {round_}\n")
        true, forked = both(["-m", "zoo", "plugins"], tmp_path, PYTHONPATH=str(tmp_path))
        assert untimed(forked[1]) == untimed(true[1])
        assert forked[2] == true[2]
        assert f"loaded {round_}" in forked[2]


def untimed(table: str) -> list[str]:
    """Split a table into words, and drop how long each import took."""
    return re.sub(r"\d+ ms", "", table).split()


@pytest.mark.parametrize("action", ["error", "ignore", "default"])
def test_warnings(action: str, tmp_path: Path) -> None:
    code = "import warnings\nwarnings.warn('old', DeprecationWarning)\nprint('went on')"
    true, forked = both(["-W", action, "-c", code], tmp_path)
    assert (forked[0], forked[1], forked[2].splitlines()[-1:]) == (true[0], true[1], true[2].splitlines()[-1:])
    assert true[0] == (action == "error")


def test_what_runs_at_the_end_is_run(tmp_path: Path) -> None:
    code = "import atexit, threading, time\natexit.register(print, 'at exit')\n"
    code += "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nraise SystemExit('words')"
    true, forked = both(["-c", code], tmp_path)
    assert forked == true == (1, "thread\nat exit\n", "words\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_command(number: signal.Signals, tmp_path: Path) -> None:
    wait = "print('ready', flush=True); time.sleep(60)"
    code = f"import sys, time\ntry: {wait}\nexcept KeyboardInterrupt: sys.exit(5)"
    process = subprocess.Popen([fork_server.python(), "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (5 if number == signal.SIGINT else -signal.SIGTERM)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_killed_command_is_dead(by_name: bool, tmp_path: Path) -> None:
    """Also where its stand-in is killed, which cannot tell it."""
    arguments = ["-c", "import os, time\nopen('pid', 'w').write(str(os.getpid()) + ' ')\ntime.sleep(60)"]
    process = (
        subprocess.Popen([fork_server.python(), *arguments], cwd=tmp_path)
        if by_name
        else fork_server.start(arguments, tmp_path, os.environ)
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith(" "):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    assert by_name or pid == process.pid
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.01)
    else:
        pytest.fail("the command runs on")


def test_a_server_that_could_not_start_says_why(tmp_path: Path) -> None:
    shutil.copy(fork_server.python(), tmp_path / "python")
    (tmp_path / "log").write_text("ModuleNotFoundError: No module named 'zoo'")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        process = subprocess.Popen([tmp_path / "python", "-c", "0"], stderr=subprocess.PIPE, text=True)
        listener.accept()[0].close()
        _, told = process.communicate()
    assert process.returncode == SERVER_LOST
    assert "No module named 'zoo'" in told and "Traceback" not in told


def test_nothing_that_reads_the_environment_is_imported_early(tmp_path: Path) -> None:
    names = fork_server.READ_THE_ENVIRONMENT
    code = f"import sys\nprint([name for name in {names!r} if name in sys.modules], 'torch' in sys.modules)"
    _, forked = both(["-c", code], tmp_path)
    assert forked[1] == "[] True\n"
