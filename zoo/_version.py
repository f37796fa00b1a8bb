"""The version of zoo, and the version of the contract between zoo and its plugins."""

__version__ = "0.1.0"

# (major, minor) of the contract. A new major version means that plugins must change; a new minor version adds to it.
# A plugin's module declares what it needs: ``zoo_contract = 1``, or ``(1, 2)`` for minor version 2 or later.
CONTRACT = (1, 1)
