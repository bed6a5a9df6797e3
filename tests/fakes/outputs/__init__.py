"""Outputs of system tools and files of /proc for the parsers' tests. ``made_*`` were written by hand."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
