"""How far are our networks from the originals? Prints a Markdown table, a row for each recorded network.

    python -m benchmarks.parity

Runs the tests of the architectures, which hold every recorded output against ours, and reads off how far each was.
The row names the output that came nearest to its tolerance. A recording is described in `tests/support/golden.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.support.golden import Golden
from zoo.checkpoints.layouts import detect_layout
from zoo.plugins import load_plugins


def measured() -> dict[str, list[tuple[str, float, float]]]:
    """Run the tests; return for each recording its outputs, how far ours were, and how far they may be."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "listing"
        command = [sys.executable, "-m", "pytest", "-q", "tests/adapters"]
        subprocess.run(command, check=True, env={**os.environ, "PARITY_LISTING": str(listing)}, stdout=sys.stderr)
        found = defaultdict(list)
        for line in listing.read_text().splitlines():
            recording, output, deviation, allowed = json.loads(line)
            found[recording].append((output, deviation, allowed))
        return found


def main() -> None:
    """Measure, and print the table."""
    families = {name: entry.resolve() for name, entry in load_plugins().adapters.items()}
    print("| recording | architecture | format | outputs | nearest to its tolerance | largest deviation | tolerance |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for recording, outputs in sorted(measured().items()):
        family, layout = detect_layout(families, Golden.read(recording).state, {})
        output, deviation, allowed = max(outputs, key=lambda one: one[1] / one[2])
        count = len({name for name, _, _ in outputs})
        print(f"| {recording} | {family} | {layout.name} | {count} | {output} | {deviation:.1e} | {allowed:.0e} |")


if __name__ == "__main__":
    main()
