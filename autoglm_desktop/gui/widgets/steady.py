"""Keeps what is looked at where it is while something above it grows or shrinks."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QScrollArea, QWidget


class Steady(QObject):
    """Watches ``part`` of what ``area`` scrolls: where its top is scrolled away, its changes of height are
    scrolled too, so that nothing moves under the mouse."""

    def __init__(self, area: QScrollArea, part: QWidget) -> None:
        super().__init__(area)
        self._area, self._part = area, part
        self._height = 0
        part.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._part and event.type() in (QEvent.Type.Resize, QEvent.Type.Hide):
            self._changed(self._part.height() if event.type() == QEvent.Type.Resize else 0)
        return super().eventFilter(watched, event)

    def _changed(self, height: int) -> None:
        by, self._height = height - self._height, height
        bar, inner = self._area.verticalScrollBar(), self._area.widget()
        if by == 0 or inner is None or bar.value() <= self._part.mapTo(inner, self._part.rect().topLeft()).y():
            return
        bar.setMaximum(max(bar.maximum(), bar.value() + by))
        bar.setValue(bar.value() + by)
