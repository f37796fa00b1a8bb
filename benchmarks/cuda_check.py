"""Check zoo on a GPU in eight minutes, and write what was found as a Markdown page.

    python -m benchmarks.cuda_check --out docs/gpu/h100.md
    python -m benchmarks.cuda_check --device cpu --quick        tries the script itself, without a GPU

Sections: networks and analyses against the CPU; TF32; running out of memory; Jacobians against the floor of their
operations; how many tangents at a time; images a second; pictures of the studio; codes of pictures. A section or case
that fails does not stop the others, and one for which no time is left is skipped: name sections to run these alone. The
exit code is 0 if every comparison held, and 1 otherwise.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import zoo
from benchmarks.gpu_checks import agreement, memory, precision, speed, usage
from benchmarks.gpu_checks.results import REMARK, Cell, Deadline, Section, Settings, run_section, table

MINUTES = 8.0
SECTIONS = {
    "precision": Section("TF32", precision.ABOUT, precision.checks, seconds=75),
    "memory": Section("Out of memory", memory.ABOUT, memory.checks, seconds=60),
    "agreement": Section("The same as on the CPU", agreement.ABOUT, agreement.checks, seconds=170),
    "jacobians": Section("Jacobians", speed.ABOUT_JACOBIANS, speed.time_jacobians, seconds=150),
    "chunks": Section("Tangents at a time", speed.ABOUT_CHUNKS, speed.time_chunks, seconds=60),
    "rendering": Section("Images", speed.ABOUT_RENDERING, speed.time_rendering, seconds=45),
    "studio": Section("The studio", usage.ABOUT_STUDIO, usage.time_studio, seconds=60),
    "inversion": Section("Codes of pictures", usage.ABOUT_INVERSION, usage.time_inversion, seconds=150),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections, print the page, and write it where it was asked for.

    Args:
        arguments: Arguments of the command line, without its name; None takes those of the process.

    Returns:
        The exit code: 0 if every comparison held, else 1.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; by default all")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--quick", action="store_true", help="the smallest networks")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no case is started after so many")
    parser.add_argument("--out", type=Path, help="the Markdown file that is written")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section is called {' or '.join(sorted(unknown))}: there are {', '.join(SECTIONS)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here that PyTorch can use")
    settings = Settings(options.device, options.quick, Deadline(60 * options.minutes))
    start, results = time.monotonic(), {}
    for name in options.sections or SECTIONS:
        print(f"{name} …", file=sys.stderr, flush=True)
        results[name] = run_section(SECTIONS[name], settings)
    page = write_page(settings, results, time.monotonic() - start)
    print(page)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(page + "\n", encoding="utf-8")
    return 1 if any(cell.held is False for cells in results.values() for cell in cells) else 0


def write_page(settings: Settings, results: dict[str, list[Cell]], seconds: float) -> str:
    """Set the results as a page.

    Args:
        settings: How the checks ran.
        results: The cells of each section, by a key of `SECTIONS`.
        seconds: How long they took.

    Returns:
        The page in Markdown, without a newline at the end.
    """
    cells = [cell for section in results.values() for cell in section]
    compared = [cell.held for cell in cells if cell.held is not None]
    failed = compared.count(False)
    skipped = sum(cell.column == REMARK and cell.held is None for cell in cells)
    verdict = f"{len(compared) - failed} of {len(compared)} comparisons held; {skipped} cases were skipped."
    parts = [f"# {device_name(settings.device)}", f"{software()}, {seconds:.0f} s. {verdict}"]
    for name, found in results.items():
        section = SECTIONS[name]
        parts += [f"## {section.title}", section.about, table(found)]
    return "\n\n".join(parts)


def device_name(device: str) -> str:
    """Name the device.

    Args:
        device: ``cuda`` or ``cpu``.

    Returns:
        The name of the GPU with its memory, or the CPU's.
    """
    if device != "cuda":
        return f"CPU, {platform.machine()}, {torch.get_num_threads()} threads"
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def software() -> str:
    """List the versions that the figures depend on.

    Returns:
        The versions of zoo, torch, CUDA and cuDNN.
    """
    cuda = f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if torch.version.cuda else ""
    return f"zoo {zoo.__version__}, torch {torch.__version__}{cuda}"


if __name__ == "__main__":
    raise SystemExit(main())
