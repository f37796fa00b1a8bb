"""The version of zoo and of the contract between zoo and its plugins."""

__version__ = "0.1.0"

CONTRACT = (1, 0)
"""What plugins are written for: another major number means that they must be changed, a higher minor number that there
is more than they know of. A plugin's module says ``zoo_contract = 1``, or ``(1, 2)`` where it needs that much."""
