"""How full the model's context is: a small bar with its figures."""

from __future__ import annotations

import html

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ...core.context_use import ContextUse
from ...i18n import _
from .. import theme
from ..conversations.conversation_view import small_font

WIDTH, LEAST, BAR = 116, 84, 6
COLOURS = ("muted", "accent", "good", "code_keyword", "selection")
"""Of the parts, in their order."""


def parts_of(use: ContextUse) -> tuple[tuple[str, int, str], ...]:
    """(name, tokens, colour) from the left."""
    names = (
        _("System prompt"),
        _("Conversation"),
        _("Pictures"),
        _("What you are writing"),
        _("Room for the answer"),
    )
    tokens = (use.system, use.history, use.pictures, use.draft, use.reply)
    return tuple(zip(names, tokens, COLOURS, strict=True))


def short(tokens: int) -> str:
    """``817``, ``3.1k``, ``16k``, ``1.5M``."""
    if tokens < 1000:
        return str(tokens)
    if tokens >= 999_500:
        return f"{tokens / 1_000_000:.1f}M"
    return f"{tokens / 1000:.1f}k" if tokens < 9950 else f"{round(tokens / 1000)}k"


def line_of(use: ContextUse) -> str:
    """The figures over the bar."""
    used = short(use.used) if use.exact else f"~{short(use.used)}"
    if use.context is None:
        return _("{count} tokens").format(count=used)
    return _("{used} of {context}").format(used=used, context=short(use.context))


def tone_of(use: ContextUse) -> str:
    """A colour: bad where what is written doesn't fit, warn where something else doesn't, else muted."""
    if use.context is None:
        return "muted"
    if use.system + use.draft > use.context:
        return "bad"
    return "warn" if use.over or not use.left else "muted"


def remarks_of(use: ContextUse) -> tuple[str, ...]:
    """Sentences: what does not fit, and how sure the figures are."""
    said = []
    if use.context is None:
        said.append(_("How much this server takes is not known."))
    elif use.system + use.draft > use.context:
        text = _("What you are writing does not fit: it is {count} tokens too long. Shorten it.")
        said.append(text.format(count=use.system + use.draft - use.context))
    elif use.over:
        text = _("It is {count} tokens too long: the oldest messages will be left out.")
        said.append(text.format(count=use.over))
    elif not use.left:
        said.append(_("The answer may be cut short: there is less room for it than it may take."))
    counted = _("Counted by the engine; what you are writing is estimated.")
    said.append(counted if use.exact else _("Estimated, rather too much than too little."))
    return tuple(said)


class ContextMeter(QWidget):
    """Hidden while nothing is known. The parts are in its tool tip, which a click or Enter shows too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._use: ContextUse | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setFont(small_font(self.font()))
        self.show_use(None)

    def show_use(self, use: ContextUse | None) -> None:
        if use == self._use and not self.isHidden():
            return
        self._use = use
        self.setVisible(use is not None)
        if use is None:
            return
        parts = [f"{name}: {tokens}" for name, tokens, _colour in parts_of(use)]
        self.setAccessibleName(_("Context: {text}").format(text=line_of(use)))
        self.setAccessibleDescription(". ".join((", ".join(parts), *remarks_of(use))))
        self.setToolTip(_tip(use))
        self.update()

    def text(self) -> str:
        """What stands over the bar."""
        return line_of(self._use) if self._use is not None else ""

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, self.fontMetrics().height() + BAR + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(LEAST, self.sizeHint().height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._show_tip()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._show_tip()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._use is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.colour(tone_of(self._use)))
        text = QRectF(0, 0, self.width(), self.fontMetrics().height())
        bar = QRectF(2, self.height() - BAR - 3, self.width() - 4, BAR)
        if self._use.context is None:
            text.moveTop((self.height() - text.height()) / 2)
        else:
            _paint_bar(painter, bar, self._use)
        painter.setPen(theme.colour(tone_of(self._use)))
        painter.drawText(text.adjusted(2, 0, -2, 0), Qt.AlignmentFlag.AlignCenter, self.text())
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _show_tip(self) -> None:
        QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), self.toolTip(), self)


def _paint_bar(painter: QPainter, rect: QRectF, use: ContextUse) -> None:
    outline = QPainterPath()
    outline.addRoundedRect(rect, BAR / 2, BAR / 2)
    painter.save()
    painter.setClipPath(outline)
    painter.fillRect(rect, theme.colour("bar"))
    scale = max(use.context or 0, use.used + use.reply, 1)
    left = rect.left()
    for _name, tokens, colour in parts_of(use):
        width = rect.width() * tokens / scale
        painter.fillRect(QRectF(left, rect.top(), width, rect.height()), theme.colour(colour))
        left += width
    painter.restore()
    if use.over and use.context is not None:
        x = rect.left() + rect.width() * use.context / scale
        painter.fillRect(QRectF(x - 1, rect.top() - 2, 2, rect.height() + 4), theme.colour(tone_of(use)))


def _tip(use: ContextUse) -> str:
    lines = [
        f'<tr><td style="color:{theme.colour(colour).name()}">■&nbsp;</td><td>{html.escape(name)}&nbsp;&nbsp;</td>'
        f'<td align="right">{tokens}</td></tr>'
        for name, tokens, colour in parts_of(use)
    ]
    if use.left is not None:
        free = theme.colour("bar").name()
        lines.append(
            f'<tr><td style="color:{free}">■&nbsp;</td><td>{html.escape(_("Free"))}&nbsp;&nbsp;</td>'
            f'<td align="right">{use.left}</td></tr>'
        )
    remarks = "".join(f"<p>{html.escape(text)}</p>" for text in remarks_of(use))
    title = html.escape(_("Tokens in the model's context"))
    return f"<qt><b>{title}</b><table>{''.join(lines)}</table>{remarks}</qt>"
