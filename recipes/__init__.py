"""How the bundled models were made: their data, their training, and the measurements. To be run from a clone."""
