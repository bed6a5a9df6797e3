"""Keeps what is looked at where it is while something above it grows or shrinks."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QMoveEvent
from PySide6.QtWidgets import QScrollArea, QWidget


class Steady(QObject):
    """Watches ``parts`` of what ``area`` scrolls, which stand one below the other. Where the first of them is moved
    although its top is scrolled away, the page is scrolled by as much: nothing moves under the mouse."""

    def __init__(self, area: QScrollArea, *parts: QWidget) -> None:
        super().__init__(area)
        self._area, self._parts = area, parts
        for part in parts:
            part.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMoveEvent) and watched is min(self._parts, key=lambda part: part.y()):
            by, bar = event.pos().y() - event.oldPos().y(), self._area.verticalScrollBar()
            if by and bar.value() > event.oldPos().y():
                bar.setMaximum(max(bar.maximum(), bar.value() + by))
                bar.setValue(bar.value() + by)
        return super().eventFilter(watched, event)
