"""What becomes of tasks on a Ray cluster, with a stand-in for Ray; tests/sweep/test_cluster.py takes a true one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from zoo._utils.writing.claims import ClaimedError
from zoo.engines import cluster
from zoo.engines.cluster import run_on_ray
from zoo.engines.tasks import Queue, Setup, Task
from zoo.errors import EngineError, OptionError, ZooError


class Exceptions:
    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        def __init__(self, cause: Exception) -> None:
            self.cause = cause

    class WorkerCrashedError(RayError):
        pass


@dataclass
class StandIn:
    """A cluster of one node, which carries a task out when it is asked what is ready: the last one first."""

    resources: dict[str, float] = field(default_factory=lambda: {"CPU": 2.0})
    crashes: str = ""
    waiting: dict[int, Callable[[], Any]] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    most: int = 0
    cancelled: list[int] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    exceptions = Exceptions

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": self.resources}, {"Alive": False, "Resources": {"CPU": 99.0}}]

    def put(self, value: object) -> object:
        return value

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        self.options = options
        stand_in = self

        class Remote:
            def __init__(self, function: Callable[..., Any]) -> None:
                self.function = function

            def remote(self, setup: Setup, task: Task, versions: tuple[str, str]) -> int:
                number = len(stand_in.kinds)
                stand_in.kinds.append(task.kind)
                crashes = task.name == stand_in.crashes
                stand_in.waiting[number] = lambda: None if crashes else self.function(setup, task, versions)
                stand_in.most = max(stand_in.most, len(stand_in.waiting))
                return number

        return Remote

    def wait(self, references: Sequence[int], *, num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        return [references[-1]], list(references[:-1])

    def get(self, reference: int) -> Any:
        work = self.waiting.pop(reference)
        try:
            done = work()
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error
        if done is None:
            raise self.exceptions.WorkerCrashedError
        return done

    def cancel(self, reference: int, *, force: bool) -> None:
        self.cancelled.append(reference)


@dataclass(frozen=True)
class Double:
    """Doubles numbers; some numbers go wrong, and the first try of one is somebody else's."""

    seen: list[Any] = field(default_factory=list)
    wrong: bool = False

    def open(self, device: str | None) -> Callable[[Task], Any]:
        if self.wrong:
            raise ZooError("there is no network here")

        def double(task: Task) -> Any:
            first = task.content not in self.seen
            self.seen.append(task.content)
            if task.content == 3 and first:
                raise ClaimedError
            if task.content == 4:
                raise ZooError("four is wrong")
            return 2 * task.content

        return double


@dataclass
class Heard:
    finished: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        self.notes.append(line)

    def finish(self, _worker: str, task: Task, value: Any) -> None:
        self.finished[task.name] = value

    def fail(self, _worker: str, task: Task, error: str) -> None:
        self.failed[task.name] = error

    def begin(self, worker: str, task: Task) -> None: ...
    def repeat(self, worker: str, task: Task) -> None: ...
    def forget(self, worker: str) -> None: ...
    def account(self) -> None: ...


def carry_out(monkeypatch: pytest.MonkeyPatch, ray: StandIn, work: Double, jobs: int | None = None) -> Heard:
    monkeypatch.setattr(cluster, "import_ray", lambda: ray)
    monkeypatch.setattr(cluster, "_LATER", 0.0)
    monkeypatch.setattr(cluster, "_prepared", [])
    monkeypatch.setenv("ZOO_OF_A_TEST", "1")
    tasks = [Task(str(number), number, "even" if number % 2 == 0 else "odd") for number in range(8)]
    environment = {**os.environ, "PYTHONPATH": "here"}
    setup = Setup(work=work, threads=1, device="cpu", environment=environment, working_folder=".")
    heard = Heard()
    try:
        run_on_ray(Queue(tasks), setup, jobs, None, heard)
    finally:
        os.environ.pop("ZOO_OF_A_TEST", None)
    return heard


def test_tasks_are_carried_out_and_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandIn(crashes="5")
    heard = carry_out(monkeypatch, ray, Double())
    assert heard.finished == {"0": 0, "1": 2, "2": 4, "3": 6, "6": 12, "7": 14}
    assert heard.failed == {"4": "four is wrong", "5": "its process was lost again and again: WorkerCrashedError"}
    assert ray.most == 4 and heard.notes == ["Ray has nodes: 1, CPUs: 2, GPUs: 0"]
    assert sorted([ray.kinds[:4], ray.kinds[4:8]]) == [["even"] * 4, ["odd"] * 4] and len(ray.kinds) == 9
    assert ray.options["num_cpus"] == 1 and ray.options["num_gpus"] == 0 and ray.options["max_retries"] == 10
    variables = ray.options["runtime_env"]["env_vars"]
    assert variables["OMP_NUM_THREADS"] == "1" and variables["ZOO_OF_A_TEST"] == "1"
    assert os.path.isabs(variables["PYTHONPATH"]) and "PATH" not in variables  # noqa: PTH117
    ray = StandIn()
    assert len(carry_out(monkeypatch, ray, Double(), jobs=1).finished) == 7 and ray.most == 1


def test_a_process_that_cannot_do_the_work_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandIn()
    with pytest.raises(EngineError, match="a process of the cluster cannot do this work: there is no network here"):
        carry_out(monkeypatch, ray, Double(wrong=True))
    assert len(ray.cancelled) == 3
    monkeypatch.setattr(cluster, "__version__", "0.0")
    other = cluster._compute
    monkeypatch.setattr(cluster, "_compute", lambda setup, task, _: other(setup, task, ("9.9", "torch")))
    with pytest.raises(EngineError, match=r"has zoo 0\.0 and torch .*, but zoo 9\.9 and torch torch are needed"):
        carry_out(monkeypatch, StandIn(), Double())


def test_a_cluster_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = carry_out(monkeypatch, StandIn({"CPU": 0.5}), Double())
    assert heard.notes[1] == "no node has what a task needs (CPUs: 1): they wait until there is one"


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Ray(StandIn):
        def init(self, *, address: str, **_: object) -> None:
            asked.append(address)
            if address == "auto":
                raise ConnectionError("Could not find any running Ray instance. Please specify one.")
            if address != "local":
                raise ConnectionError("ray cannot be reached")

    cluster._connect(Ray(), 1, None, None)
    cluster._connect(Ray(), 1, 2, "local")
    assert asked == ["auto", "local", "local"]
    with pytest.raises(OptionError, match="--address a:1: no Ray cluster answers: ray cannot be reached"):
        cluster._connect(Ray(), 1, None, "a:1")
    monkeypatch.setenv("RAY_ADDRESS", "b:1")
    with pytest.raises(OptionError, match="--address b:1: no Ray cluster answers"):
        cluster._connect(Ray(), 1, None, None)
