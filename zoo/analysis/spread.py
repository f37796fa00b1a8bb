"""One large analysis spread out: an engine whose processes have the model of the analysis open."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.analysis.resources import cache_key
from zoo.core.adapter import Adapter
from zoo.core.compute import Spread
from zoo.editing.requests import OpeningRequest
from zoo.engines.engine import Engine
from zoo.engines.tasks import Queue, Setup, Task
from zoo.errors import AnalysisWarning, EngineError, OptionError
from zoo.models.model import Model
from zoo.registry.registry import Installation, load_installation

# Results that wait for an earlier one, before tasks after it are held back: they take memory.
_MOST_HELD = 32


@dataclass(frozen=True)
class NetworkWork:
    """Functions that are called with a network, as the work of an engine.

    Attributes:
        model: The name of a card, or the path of a weights file.
        opening: How it is opened.
        registry: Registry files beside those that are always read.
        key: A digest of the network as the command has it open.
    """

    model: str
    opening: OpeningRequest
    registry: tuple[Path, ...]
    key: str | None

    def open(self, device: str | None) -> Callable[[Task], Any]:
        """Open the model.

        Args:
            device: Where it computes; None leaves that to the opening.

        Returns:
            A function that carries out tasks whose content is a function and a part.

        Raises:
            ZooError: If the model cannot be opened, or is another one here.
        """
        opening = self.opening if device is None else _on(self.opening, device)
        model = opening.open(self.model, load_installation(self.registry))
        if cache_key(model) != self.key:
            raise EngineError(f"{self.model} is another network there: its weights, its plugin or its versions differ")

        def call(task: Task) -> Any:
            function, part = task.content
            return function(model.adapter, part)

        return call


def _on(opening: OpeningRequest, device: str) -> OpeningRequest:
    return OpeningRequest(**{**vars(opening), "device": device})


@dataclass(eq=False)
class EngineSpread:
    """Processes of an engine that share the work of an analysis; see `zoo.core.compute.Spread`.

    Attributes:
        engine: The engine.
        work: What its processes open.
        device: Where they compute, ``cpu`` or ``cuda``.
        used: Whether there was anything to spread.
    """

    engine: Engine
    work: NetworkWork
    device: str
    used: bool = False

    def each(
        self, function: Callable[[Adapter, Any], Any], parts: Sequence[Any], take: Callable[[Any], object]
    ) -> None:
        """Call a function with the network and each of some parts.

        Args:
            function: A function of a module.
            parts: The parts.
            take: Is called with what the function returned, in the order of the parts.

        Raises:
            EngineError: If the processes fail.
        """
        self.used = True
        collector = _Collector(take)
        tasks = [Task(str(number), (function, part)) for number, part in enumerate(parts)]
        self.engine.run(_InOrder(tasks, collector), self._setup(), collector, len(tasks))

    def _setup(self) -> Setup:
        # One thread, unless the user says otherwise: the number decides the bits, and may not depend on the machine.
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        return Setup(
            work=self.work,
            threads=int(threads) if threads.isdecimal() else 1,
            device=self.device,
            environment=dict(os.environ),
            working_folder=os.getcwd(),  # noqa: PTH109
            log=Path(os.devnull),
        )


@dataclass(eq=False)
class _Collector:
    """Takes results in order; those that come earlier wait."""

    take: Callable[[Any], object]
    next: int = 0
    held: dict[int, Any] = field(default_factory=dict)

    def finish(self, _worker: str, task: Task, value: Any) -> None:
        self.held[int(task.name)] = value
        while self.next in self.held:
            self.take(self.held.pop(self.next))
            self.next += 1

    def fail(self, _worker: str, _task: Task, error: str) -> None:
        raise EngineError(f"a part of the analysis failed: {error}")

    def note(self, line: str) -> None:
        return

    def begin(self, worker: str, task: Task) -> None:
        return

    def repeat(self, worker: str, task: Task) -> None:
        return

    def forget(self, worker: str) -> None:
        return

    def account(self) -> None:
        return


class _InOrder(Queue):
    """Tasks in their order, of which none is handed out long before an earlier one is finished."""

    def __init__(self, tasks: Sequence[Task], collector: _Collector) -> None:
        super().__init__(tasks)
        self.collector = collector

    def take(self, kind: str | None) -> Task | None:
        task = super().take(kind)
        if task is not None and len(self.collector.held) >= _MOST_HELD and int(task.name) != self.collector.next:
            self.add(task)
            return None
        return task


def spread_over(engine: Engine, model: Model, installation: Installation) -> EngineSpread:
    """Let an engine share the work of an analysis.

    Args:
        engine: The engine.
        model: The open model, which its processes open again by its name.
        installation: The plugins and the registry.

    Returns:
        What `zoo.core.compute.ComputeBudget.spread` takes.
    """
    chosen, device = model.opening, model.adapter.device
    opening = OpeningRequest(
        space=chosen.space, device=str(device), dtype=model.dtype, options=chosen.options, tuned=chosen.tuned
    )
    file = Path(chosen.name).expanduser()
    registry = tuple(path.resolve() for path in installation.extra)
    work = NetworkWork(str(file.resolve()) if file.is_file() else chosen.name, opening, registry, cache_key(model))
    return EngineSpread(engine, work, device.type)


def note_unused(spread: Spread | None) -> None:
    """Warn of an engine that had nothing to do.

    Args:
        spread: The processes that shared the work of an analysis; None for none.
    """
    if isinstance(spread, EngineSpread) and not spread.used:
        line = f"--on {spread.engine.on} shared nothing out: this analysis computes no Gram matrices of zoo.jacobian"
        warnings.warn(line, AnalysisWarning, stacklevel=3)


def check_engine(engine: Engine, analyzer: str, installation: Installation) -> None:
    """Refuse an engine that cannot be used, or has nothing to do.

    Args:
        engine: The engine.
        analyzer: The name of the analyzer.
        installation: The plugins and the registry.

    Raises:
        OptionError: If there is no such engine, or the analysis takes no derivatives.
    """
    engine.check()
    if "derivative" not in installation.plugins.analyzer(analyzer).requires:
        raise OptionError(f"--on {engine.on} shares derivatives out, and {analyzer} takes none: leave it out")
