"""Make avatars: ``python -m recipes.avatars DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from recipes.avatars.making import make
from zoo.errors import ZooError


def at_least(least: int) -> Callable[[str], int]:
    """Return a parser of integers that are not smaller than `least`."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return number


def main() -> None:
    """Read the command line and make the avatars."""
    parser = argparse.ArgumentParser(prog="python -m recipes.avatars", description="Make avatars with known factors.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder to write, which must not exist yet")
    parser.add_argument("--size", type=at_least(8), default=32, help="pixels in height and in width")
    parser.add_argument("--train", type=at_least(0), default=10_000, help="training images of each style")
    parser.add_argument("--held", type=at_least(2), default=1_000, help="images of each style in val and test")
    parser.add_argument("--jobs", type=at_least(1), default=2, help="processes that draw")
    try:
        make(**vars(parser.parse_args()), tell=print)
    except ZooError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
