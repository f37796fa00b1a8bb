"""Derivatives of image regions."""
