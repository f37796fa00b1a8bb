"""Directions shared on the Hugging Face Hub: fetching, pushing and searching sets of them."""
