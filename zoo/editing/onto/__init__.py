"""Edits carried over to the photographs whose codes were moved."""
