"""Model cards, and the files that they stand in."""
