"""Faces in photographs: where they are, and how a network's training pictures were cut around them."""
