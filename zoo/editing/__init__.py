"""Moving codes, rendering them, and measuring the change."""
