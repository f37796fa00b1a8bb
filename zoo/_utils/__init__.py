"""Helpers that know nothing of generators: files, locks, paths, sizes, progress, notebooks, tensors on disk."""
