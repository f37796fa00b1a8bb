"""Drawing with DiceBear in Node.js: npm fetches it once, and processes draw the images in parallel."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo._utils.paths import cache_folder
from zoo._utils.writing.workspaces import workspace
from zoo.errors import ZooError

HERE = Path(__file__).parent

# Images are drawn this many times larger and then averaged; without that, thin lines break at 32 pixels.
OVERSAMPLING = 4

# Images that one process draws.
SHARE = 1000


def versions() -> dict[str, str]:
    """Return the exact version of each npm package."""
    return dict(json.loads((HERE / "package.json").read_text())["dependencies"])


def modules_folder() -> Path:
    """Return where the packages are installed: in zoo's cache, under the hash of `package.json`."""
    digest = hashlib.sha256((HERE / "package.json").read_bytes()).hexdigest()
    return cache_folder() / f"avatars-{digest[:12]}"


def install() -> Path:
    """Install the packages by npm, unless they are there, and return their folder. Raises `ZooError` if that fails."""
    folder = modules_folder()
    if folder.exists():
        return folder
    if not shutil.which("node") or not shutil.which("npm"):
        raise ZooError("avatars are drawn by JavaScript: install Node.js 18 or later, with npm")
    with workspace(folder) as work:
        new = work / folder.name
        new.mkdir()
        shutil.copy(HERE / "package.json", new)
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        ran = subprocess.run(command, cwd=new, capture_output=True, text=True, check=False)
        if ran.returncode:
            causes = [line for line in ran.stderr.splitlines() if line.startswith("npm error")]
            raise ZooError(f"npm cannot fetch what draws avatars: {'; '.join(causes[:2])}")
        new.rename(folder)
    return folder


def render(requests: Sequence[dict[str, Any]], size: int, jobs: int) -> NDArray[np.uint8]:
    """Draw requests, (n, size, size, 3) bytes, in ``jobs`` processes at a time. Raises `ZooError` if that fails."""
    modules = install()
    shares = [requests[start : start + SHARE] for start in range(0, len(requests), SHARE)]
    with ThreadPoolExecutor(jobs) as pool:
        return np.concatenate(list(pool.map(lambda share: _draw(share, size, modules), shares)))


def _draw(requests: Sequence[dict[str, Any]], size: int, modules: Path) -> NDArray[np.uint8]:
    lines = "\n".join(json.dumps(request) for request in requests)
    command = ["node", str(HERE / "render.mjs"), str(modules), str(size), str(OVERSAMPLING)]
    ran = subprocess.run(command, input=lines.encode(), capture_output=True, check=False)
    if ran.returncode:
        raise ZooError(f"Node.js cannot draw avatars: {ran.stderr.decode().strip()}")
    return np.frombuffer(ran.stdout, np.uint8).reshape(len(requests), size, size, 3)
