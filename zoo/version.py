"""The version of zoo and of the contract between zoo and its plugins."""

__version__ = "0.1.0"
