"""The files of a Space on the Hub: their head is what the Hub reads, and their command is one of zoo."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from zoo.cli import run

SPACE = Path(__file__).parents[2] / "examples" / "space"


def test_the_head_and_the_command_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    head = yaml.safe_load((SPACE / "README.md").read_text("utf-8").split("---")[1])
    assert head["sdk"] == "docker" and head["title"] and head["license"] == "apache-2.0"
    asked: dict[str, Any] = {}

    def serve(model: object, installation: object, **options: Any) -> bool:
        asked.update(options)
        return True

    monkeypatch.setattr("zoo.studio.start.serve", serve)
    docker = (SPACE / "Dockerfile").read_text("utf-8")
    command = re.findall(r"^CMD (.*)$", docker, flags=re.MULTILINE)[-1].replace("$SPACE_HOST", "owner-space.hf.space")
    words = shlex.split(command)
    assert words[:2] == ["zoo", "studio"]
    assert run(words[1:]) == 0
    assert asked["host"] == "0.0.0.0" and list(asked["origins"]) == ["https://owner-space.hf.space"]
    assert asked["port"] == head["app_port"] and f"EXPOSE {head['app_port']}" in docker
