"""Where the parts of the view of a phone step stand: the screenshot at the left, task and result at the right."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import Choice, button
from ..widgets.labels import label
from ..widgets.live import LiveText
from .picture import ActionPicture
from .result_card import ResultCard, Unfolding
from .sources import DropFrame, TaskEdit

TASK_LINES = 3


@dataclass(frozen=True)
class Parts:
    """The widgets. ``stack``: 0 the invitation to choose a picture, 1 the picture."""

    frame: DropFrame
    stack: QStackedWidget
    picture: ActionPicture
    invitation: QLabel
    choose: QPushButton
    paste: QPushButton
    other: QPushButton
    size: QLabel
    who: QLabel
    task: TaskEdit
    language: Choice
    prompt: Unfolding
    copy: QPushButton
    run: QPushButton
    stop: QPushButton
    expected: QLabel
    bar: QProgressBar
    progress: LiveText
    remark: QFrame
    remark_text: QLabel
    offers: QHBoxLayout
    result: ResultCard


def build(view: QWidget) -> Parts:
    """Make the widgets and put them into the view."""
    task = TaskEdit()
    task.setAccessibleName(_("Task"))
    task.setPlaceholderText(_("What is to be done on the phone, such as: open the settings"))
    task.setTabChangesFocus(True)
    task.setFixedHeight(TASK_LINES * task.fontMetrics().lineSpacing() + 3 * GAP)
    copy = button(_("Copy the prompt"))
    parts = Parts(
        frame=DropFrame(),
        stack=QStackedWidget(),
        picture=ActionPicture(),
        invitation=label("", "muted", wrap=True),
        choose=button(_("Choose a screenshot"), kind="primary"),
        paste=button(_("Paste")),
        other=button(_("Another screenshot")),
        size=label("", "muted", wrap=True),
        who=label("", "muted", wrap=True),
        task=task,
        language=Choice([("zh", "中文"), ("en", "English")]),
        prompt=Unfolding(_("The prompt"), copy),
        copy=copy,
        run=button(_("Find the next step"), kind="primary"),
        stop=button(_("Stop"), kind="danger"),
        expected=label("", "muted", wrap=True),
        bar=QProgressBar(),
        progress=LiveText(),
        remark=QFrame(),
        remark_text=label("", "warn", wrap=True, selectable=True),
        offers=QHBoxLayout(),
        result=ResultCard(),
    )
    parts.language.setAccessibleName(_("Language of the prompt"))
    parts.bar.setAccessibleName(_("The step runs"))
    parts.bar.setTextVisible(False)
    parts.bar.setRange(0, 0)
    whole = QHBoxLayout(view)
    whole.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
    whole.setSpacing(2 * GAP)
    whole.addWidget(_left(parts), 2)
    whole.addWidget(_right(parts), 3)
    return parts


def _left(parts: Parts) -> QWidget:
    invitation = QWidget()
    inside = QVBoxLayout(invitation)
    inside.setSpacing(GAP)
    inside.addStretch(1)
    title = label(_("Drop a screenshot of a phone here"), "subtitle", wrap=True)
    title.setAlignment(Qt.AlignmentFlag.AlignCenter)
    parts.invitation.setAlignment(Qt.AlignmentFlag.AlignCenter)
    inside.addWidget(title)
    inside.addWidget(parts.invitation)
    row = QHBoxLayout()
    row.addStretch(1)
    row.addWidget(parts.choose)
    row.addWidget(parts.paste)
    row.addStretch(1)
    inside.addLayout(row)
    inside.addStretch(1)
    parts.stack.addWidget(invitation)
    parts.stack.addWidget(parts.picture)
    column = QVBoxLayout(parts.frame)
    column.setContentsMargins(GAP, GAP, GAP, GAP)
    column.setSpacing(GAP)
    column.addWidget(parts.stack, 1)
    column.addWidget(parts.size)
    foot = QHBoxLayout()
    foot.addWidget(parts.other)
    foot.addStretch(1)
    column.addLayout(foot)
    return parts.frame


def _right(parts: Parts) -> QWidget:
    inner = QWidget()
    column = QVBoxLayout(inner)
    column.setContentsMargins(0, 0, GAP, 0)
    column.setSpacing(GAP + GAP // 2)
    column.addWidget(label(_("One step on the phone"), "title", wrap=True))
    column.addWidget(parts.who)
    column.addWidget(_remark(parts))
    task = label(_("Task"), "subtitle")
    task.setBuddy(parts.task)
    column.addWidget(task)
    column.addWidget(parts.task)
    row = QHBoxLayout()
    row.setSpacing(GAP)
    row.addWidget(label(_("Prompt in")))
    row.addWidget(parts.language)
    row.addStretch(1)
    column.addLayout(row)
    column.addWidget(parts.prompt)
    row = QHBoxLayout()
    row.setSpacing(GAP)
    row.addWidget(parts.run)
    row.addWidget(parts.stop)
    row.addWidget(parts.expected, 1)
    column.addLayout(row)
    column.addWidget(parts.bar)
    column.addWidget(parts.progress)
    column.addWidget(parts.result)
    column.addStretch(1)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    return area


def _remark(parts: Parts) -> QFrame:
    parts.remark.setProperty("card", True)
    column = QVBoxLayout(parts.remark)
    column.setContentsMargins(2 * GAP, GAP + GAP // 2, 2 * GAP, GAP + GAP // 2)
    column.setSpacing(GAP)
    column.addWidget(parts.remark_text)
    parts.offers.setSpacing(GAP)
    column.addLayout(parts.offers)
    return parts.remark
