"""Which attributes a direction changes."""
