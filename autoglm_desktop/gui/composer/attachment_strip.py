"""What goes with the question, above its text: pictures and folded texts in a row, and what was refused."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QActionGroup, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from ...core.picture_cost import Range
from ...i18n import _
from ...texts import pictures as texts
from ..theme import GAP
from ..widgets.glyph import GlyphButton
from ..widgets.labels import label, set_role
from ..widgets.mark import Mark
from ..widgets.side_scroll import SideScroll
from .attachment_tile import PictureTile, TextTile, Tile
from .attachment_values import Fit, Item, Refused
from .attachments import Attachments
from .big_paste import Folded

MOST_ROWS = 3
"""Sentences about what was refused; the composer must not grow over the page."""


class RefusedRow(QFrame):
    """A sentence about something that is no picture that could be used."""

    def __init__(self, refused: Refused, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = label(texts.error_text(refused.error, refused.name), wrap=True, selectable=True)
        self.cross = GlyphButton("close", _("Close"), 10)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(Mark("fail", 18))
        row.addWidget(self.text, 1)
        row.addWidget(self.cross)


class AttachmentStrip(QWidget):
    """``text_removed(index)``, ``text_opened(index)`` of folded texts; ``left`` when the keyboard belongs to the text
    again. Hidden while there is nothing."""

    text_removed = Signal(int)
    text_opened = Signal(int)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._attachments: Attachments | None = None
        self.pictures: dict[int, PictureTile] = {}
        self.texts: list[TextTile] = []
        self.rows: dict[int, RefusedRow] = {}
        self._order: list[Tile] = []
        self.more = label("", "muted")
        self._refused = QVBoxLayout()
        self._refused.setSpacing(GAP // 2)
        self._inner = QWidget()
        self._tiles = QHBoxLayout(self._inner)
        self._tiles.setContentsMargins(0, 0, 0, 0)
        self._tiles.setSpacing(GAP)
        self._tiles.addStretch(1)
        self.area = SideScroll()
        self.area.setWidget(self._inner)
        self.sum = label("", "muted", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(self._refused)
        column.addWidget(self.more)
        column.addWidget(self.area)
        column.addWidget(self.sum)
        self.hide()

    def set_attachments(self, attachments: Attachments) -> None:
        """Show these from now on."""
        self._attachments = attachments
        attachments.changed.connect(self._show)
        self._show()

    def show_folded(self, folded: Sequence[Folded]) -> None:
        """Show these texts behind the pictures."""
        had = self._focused()
        for tile in self.texts:
            self._put_away(tile)
        self.texts = [TextTile(each) for each in folded]
        for index, tile in enumerate(self.texts):
            self._connect(tile)
            tile.removed.connect(functools.partial(self.text_removed.emit, index))
            if folded[index].can_unfold:
                tile.opened.connect(functools.partial(self.text_opened.emit, index))
        self._show()
        self._keep_focus(had)

    def tiles(self) -> list[Tile]:
        """In the order in which they stand."""
        items = self._attachments.items if self._attachments is not None else ()
        return [*(self.pictures[item.key] for item in items if item.key in self.pictures), *self.texts]

    def reached(self) -> list[QWidget]:
        """What Tab reaches, from the top."""
        return [*(row.cross for row in self.rows.values()), *self.tiles()]

    def _show(self) -> None:
        items = self._attachments.items if self._attachments is not None else ()
        had = self._focused()
        self._show_pictures(items)
        self._show_refused(self._attachments.refused if self._attachments is not None else ())
        self._arrange()
        self._show_sum(items)
        self._keep_focus(had)
        tiles = bool(self.tiles())
        self.area.setVisible(tiles)
        self.setVisible(tiles or bool(self.rows))
        if tiles:
            self._fit()

    def _show_pictures(self, items: Sequence[Item]) -> None:
        keys = {item.key for item in items}
        for key in [key for key in self.pictures if key not in keys]:
            self._put_away(self.pictures.pop(key))
        fit = self._attachments.fit if self._attachments is not None else Fit()
        for item in items:
            if item.key not in self.pictures:
                tile = self.pictures[item.key] = PictureTile()
                self._connect(tile)
                tile.removed.connect(functools.partial(self._remove, item.key))
                tile.opened.connect(functools.partial(self._choose_size, item.key))
            self.pictures[item.key].show_item(item, warn=fit.too_little)

    def _show_refused(self, refused: Sequence[Refused]) -> None:
        self.more.setText(texts.more_refused_text(len(refused) - MOST_ROWS))
        self.more.setVisible(len(refused) > MOST_ROWS)
        refused = refused[:MOST_ROWS]
        keys = {each.key for each in refused}
        for key in [key for key in self.rows if key not in keys]:
            row = self.rows.pop(key)
            self._refused.removeWidget(row)
            row.hide()
            row.deleteLater()
        for each in refused:
            if each.key not in self.rows:
                made = self.rows[each.key] = RefusedRow(each)
                made.cross.clicked.connect(functools.partial(self._dismiss, each.key))
                self._refused.addWidget(made)

    def _show_sum(self, items: Sequence[Item]) -> None:
        attachments = self._attachments
        costs = [item.cost for item in items if item.cost is not None]
        fit = attachments.fit if attachments is not None else Fit()
        if attachments is None or not costs:
            said = ""
        elif fit.too_little:
            said = texts.too_little_text(len(costs), attachments.room or 0)
        else:
            spans = [cost.seconds for cost in costs if cost.seconds is not None]
            whole = len(spans) == len(costs)
            seconds = Range(sum(s.low for s in spans), sum(s.high for s in spans)) if whole else None
            said = texts.together_text(len(costs), attachments.tokens, seconds) if len(costs) > 1 else ""
            if fit.shrunk:
                said = " · ".join(filter(None, (said, texts.shrunk_text(len(costs)))))
        self.sum.setText(said)
        set_role(self.sum, "warn" if fit.too_little else "muted")
        self.sum.setVisible(bool(said))

    def _arrange(self) -> None:
        before: QWidget = self.area
        for place, tile in enumerate(self.tiles()):
            if self._tiles.indexOf(tile) != place:
                self._tiles.insertWidget(place, tile)
            QWidget.setTabOrder(before, tile)
            before = tile
        self._order = self.tiles()

    def _fit(self) -> None:
        """As high as its tiles, and the bar below them where there is one."""
        tiles = self.tiles()
        width = sum(tile.width() for tile in tiles) + GAP * (len(tiles) - 1)
        bar = self.area.horizontalScrollBar().sizeHint().height() if width > self.width() else 0
        self.area.setFixedHeight(tiles[0].height() + bar)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.tiles():
            self._fit()

    def _connect(self, tile: Tile) -> None:
        tile.moved.connect(lambda by: self._move(tile, by))
        tile.focused.connect(lambda: self.area.ensureWidgetVisible(tile, GAP, 0))

    def _move(self, tile: Tile, by: int) -> None:
        tiles = self.tiles()
        place = tiles.index(tile) + by
        if 0 <= place < len(tiles):
            tiles[place].setFocus(Qt.FocusReason.OtherFocusReason)

    def _focused(self) -> int | None:
        """Which tile has the keyboard, by its place in the row that is shown."""
        return next((place for place, tile in enumerate(self._order) if tile.hasFocus()), None)

    def _keep_focus(self, had: int | None) -> None:
        """A tile that went leaves the keyboard to the next one, the last one to the text."""
        tiles = self.tiles()
        if had is None or self._focused() is not None:
            return
        if tiles:
            tiles[min(had, len(tiles) - 1)].setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.left.emit()

    def _put_away(self, tile: Tile) -> None:
        self._tiles.removeWidget(tile)
        tile.hide()
        tile.deleteLater()

    def _index(self, key: int) -> int | None:
        items = self._attachments.items if self._attachments is not None else ()
        return next((place for place, item in enumerate(items) if item.key == key), None)

    def _remove(self, key: int) -> None:
        index = self._index(key)
        if self._attachments is not None and index is not None:
            self._attachments.remove(index)

    def _dismiss(self, key: int) -> None:
        refused = self._attachments.refused if self._attachments is not None else ()
        place = next((place for place, each in enumerate(refused) if each.key == key), None)
        if self._attachments is not None and place is not None:
            self._attachments.dismiss(place)
            self.left.emit()

    def _choose_size(self, key: int) -> None:
        menu = self.size_menu(key)
        if menu is not None:
            link = self.pictures[key].link
            menu.popup(link.mapToGlobal(QPoint(0, link.height())))

    def size_menu(self, key: int) -> QMenu | None:
        """The sizes of a picture; the largest is taken wherever there is room for it."""
        attachments, index = self._attachments, self._index(key)
        if attachments is None or index is None:
            return None
        item, menu = attachments.items[index], QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        group = QActionGroup(menu)
        for choice in attachments.choices(index):
            action = menu.addAction(texts.choice_text(choice.size, choice.cost))
            action.setCheckable(True)
            action.setChecked(choice.size == item.size)
            group.addAction(action)
            action.triggered.connect(functools.partial(self._scale, key, choice.most_tokens))
        return menu

    def _scale(self, key: int, most_tokens: int | None, _checked: bool = False) -> None:
        index = self._index(key)
        if self._attachments is not None and index is not None:
            self._attachments.set_scale(index, most_tokens)
