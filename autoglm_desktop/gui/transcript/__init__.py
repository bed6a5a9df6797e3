"""The conversation to read."""
