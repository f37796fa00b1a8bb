"""Getting weights files, and trusting them."""
