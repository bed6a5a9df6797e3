"""Links of an answer: which are opened, how an address is shown, and which a message has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl

from .entries import Entries
from .entry import Entry

if TYPE_CHECKING:
    from .transcript import Transcript

OPENED = ("http", "https", "mailto")


def opens(url: QUrl) -> bool:
    return url.isValid() and url.scheme() in OPENED


def address(url: QUrl) -> str:
    """As it is asked for: other scripts in ASCII, so that no letter can stand for another one."""
    return bytes(url.toEncoded().data()).decode("ascii", "replace")


def links_between(transcript: Transcript, index: int, scheme: str) -> list[tuple[str, str]]:
    """(words, address) of the links of a shown message that are opened, each address once."""
    document, chat = transcript.document(), transcript.chat
    block, end = document.findBlock(chat.start_of(index)), chat.start_of(index + 1)
    found: dict[str, str] = {}
    while block.isValid() and block.position() < end:
        for place in block:  # type: ignore[attr-defined]  # PySide6's stubs lack __next__
            form = place.fragment().charFormat()
            url = QUrl(form.anchorHref())
            if form.isAnchor() and url.scheme() != scheme and opens(url):
                found.setdefault(address(url), place.fragment().text())
        block = block.next()
    return [(words, shown) for shown, words in found.items()]


def place_of(entries: Sequence[Entry], key: int | None) -> int | None:
    """Where a message stands."""
    if isinstance(entries, Entries) and key is not None:
        return entries.place_of(key)
    return next((place for place, entry in enumerate(entries) if entry.key == key), None)
