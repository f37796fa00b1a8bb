"""Numerics on plain tensors; nothing here knows of generators."""
