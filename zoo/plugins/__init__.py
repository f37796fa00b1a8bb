"""Plugins: what they register, how they are found, and how a new one begins."""
