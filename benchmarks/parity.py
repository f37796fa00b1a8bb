"""Measure how far zoo's networks are from the originals, as a Markdown table with a row for each recorded network.

    python -m benchmarks.parity

Runs the tests of the architectures, which compare every recorded output with zoo's, and collects the deviations. A row
names the output whose deviation is the largest share of its tolerance. `tests/support/golden.py` describes recordings.
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
from zoo.checkpoints.layouts import detect_network
from zoo.plugins import load_plugins


def measured() -> dict[str, list[tuple[str, float, float]]]:
    """Run the tests; return for each recording its outputs, their deviations, and their tolerances."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "listing"
        command = [sys.executable, "-m", "pytest", "-q", "tests/adapters"]
        subprocess.run(command, check=True, env={**os.environ, "PARITY_LISTING": str(listing)}, stdout=sys.stderr)
        deviations = defaultdict(list)
        for line in listing.read_text().splitlines():
            recording, output, deviation, allowed = json.loads(line)
            deviations[recording].append((output, deviation, allowed))
        return deviations


def main() -> None:
    """Measure, and print the table."""
    families = {name: entry.resolve() for name, entry in load_plugins().adapters.items()}
    print("| recording | architecture | format | outputs | nearest to its tolerance | largest deviation | tolerance |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for recording, outputs in sorted(measured().items()):
        found = detect_network(families, Golden.read(recording).state, {})
        output, deviation, allowed = max(outputs, key=lambda row: row[1] / row[2])
        count = len({name for name, _, _ in outputs})
        layout = f"{found.family} | {found.layout.name}"
        print(f"| {recording} | {layout} | {count} | {output} | {deviation:.1e} | {allowed:.0e} |")


if __name__ == "__main__":
    main()
