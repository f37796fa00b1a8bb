"""A card and its network together: opening, adding, converting."""
