"""How the bundled models were made: the pictures, the training, what was measured. Run from a checkout."""
