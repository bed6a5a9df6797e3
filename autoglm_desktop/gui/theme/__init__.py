"""Colours, palette and style sheet of the window."""

from .theme import GAP, Scheme, apply, colour, current

__all__ = ["GAP", "Scheme", "apply", "colour", "current"]
