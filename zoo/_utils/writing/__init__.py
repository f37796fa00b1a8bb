"""How files and folders get their names: in one step, when they are complete, and never in place of the user's own."""
