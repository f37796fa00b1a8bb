"""What a weights file holds, and whose format it is of."""
