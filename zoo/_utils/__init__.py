"""Helpers that know nothing of generators: files, paths, progress, notebooks, tensors on disk."""
