"""Run the command line as ``python -m zoo``."""

from zoo.cli import main

main()
