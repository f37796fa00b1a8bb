"""The tables of a bench, one module each."""
