"""States of the list of conversations, the header, the settings and the shortcuts for tests.gui.render. All made up."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from autoglm_desktop.core.context_use import ContextUse
from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat.header import ChatHeader
from autoglm_desktop.gui.chat_settings.prompt_shelf import PromptShelf
from autoglm_desktop.gui.chat_settings.settings_dialog import SettingsDialog
from autoglm_desktop.gui.conversations.conversation_list import ConversationList
from autoglm_desktop.gui.shortcuts import ShortcutsDialog
from autoglm_desktop.i18n import language
from autoglm_desktop.store.conversation_search import Found, Hit
from autoglm_desktop.store.conversations import Conversation
from autoglm_desktop.store.own_prompts import OwnPrompts
from autoglm_desktop.usecases import prompts

Until = Callable[[Callable[[], bool]], None]
NOW = datetime.datetime(2026, 11, 21, 15, 30).timestamp()
DAY = 86_400.0
HERE = Endpoint("here", "made: Ollama", "http://localhost:11434/v1", "qwen3:8b")
NEAR = Endpoint("near", "made: the big machine", "http://192.168.1.20:8000/v1", "autoglm-phone-9b")
AWAY = Endpoint(
    "away", "made: a service with a long name", "https://llm.example.com/v1", "glm-4", has_key=True
)
SERVERS = (HERE, NEAR, AWAY)
MODEL = "made: AutoGLM-Phone-9B Q4_K_M"
USE = ContextUse(16_384, 2_010, 1_400, 817, 120, 3_000, exact=True)
TIGHT = ContextUse(4_096, 400, 2_900, 0, 1_300, 0, exact=False)
TOO_LONG = ContextUse(4_096, 400, 0, 0, 6_200, 0, exact=False)
DEFAULTS = Sampling(temperature=0.0, top_p=0.85, top_k=0, max_tokens=3000, frequency_penalty=0.2)
SOURCE = "made: The values that the catalogue has for this model."


def talk(
    number: int, title: str, days: float, *, pinned: bool = False, endpoint: str | None = None
) -> Conversation:
    at = NOW - days * DAY
    return Conversation(number, title, at, at, pinned, settings=ConversationSettings(endpoint=endpoint))


TALKS = (
    talk(1, "made: 手机上的深色模式", 3, pinned=True),
    talk(2, "made: Reading list for the winter, with notes on every book", 40, pinned=True, endpoint="away"),
    talk(3, "made: What a model file holds", 0.1),
    talk(4, "made: 一个标题很长的对话，在列表里放不下，所以要被截短", 0.3, endpoint="near"),
    talk(5, "made: Ollama on this machine", 0.4, endpoint="here"),
    talk(6, "made: a removed server answered", 1.1, endpoint="gone"),
    talk(7, "", 1.2),
    talk(8, "made: Tables in Markdown", 5),
    *(talk(20 + number, f"made: older conversation {number}", 9 + number) for number in range(30)),
)


def hit(conversation: int, message: int | None, role: str, days: float, text: str, word: str) -> Hit:
    title = next(one.title for one in TALKS if one.id == conversation)
    begin = text.lower().find(word)
    return Hit(conversation, title, message, role, NOW - days * DAY, text, begin, begin + len(word))


FOUND = Found(
    (
        hit(3, None, "", 0.1, "made: What a model file holds", "model"),
        hit(3, 31, "user", 0.1, "made: What does a model file hold, and why is it so large?", "model"),
        hit(3, 32, "assistant", 0.1, "made: First comes the header of the file, which says what the Model is called; "
            "then the model's weights follow, tensor by tensor", "model"),
        hit(4, 41, "user", 0.3, "made: 我想知道 model 文件里有什么，怎么读取它的头部，以及哪些部分是量化过的", "model"),
        hit(4, 42, "assistant", 0.3, "made: 一个 model 文件的开头是名称和分词器；后面才是权重，按块排列。", "model"),
        *(hit(8, 80 + n, ("user", "assistant")[n % 2], 5, f"made: the {n}th mention of a model in a table of models",
              "model") for n in range(7)),
    ),
    more=True,
    complete=False,
)  # fmt: skip


class Left(QWidget):
    """The list and the header as they stand on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.list = ConversationList(lambda: NOW)
        self.header = ChatHeader()
        left, right = QFrame(), QFrame()
        left.setObjectName("conversations")
        right.setObjectName("chatPane")
        left.setFixedWidth(248)
        QVBoxLayout(left).addWidget(self.list)
        left.layout().setContentsMargins(0, 0, 0, 0)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.header)
        column.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(left)
        row.addWidget(right, 1)
        self.list.show_servers(SERVERS)

    def filled(self, current: int = 3) -> Left:
        self.list.show_conversations(TALKS, current)
        found = next(one for one in TALKS if one.id == current)
        endpoint = next((one for one in SERVERS if one.id == found.settings.endpoint), None)
        self.header.show_chat(found, found.settings, endpoint, endpoint.model if endpoint else MODEL)
        self.header.set_meter(USE)
        return self

    def searched(self, words: str, found: Found) -> Left:
        self.filled()
        self.list.field.setText(words)
        self.list.show_found(found)
        return self


def settings(bridge: Bridge, home: Path, until: Until, chosen: ConversationSettings) -> SettingsDialog:
    own = OwnPrompts(home / "state" / "prompts.json")
    own.keep("made: my own prompt", "made: Answer like a patient teacher.")
    shelf = PromptShelf(bridge, own)
    servers = QPushButton("made: Remote servers…")
    made = SettingsDialog(
        chosen,
        DEFAULTS,
        SERVERS,
        prompts.library(prompts.language_of(language()), datetime.date(2026, 11, 21)),
        source=SOURCE,
        model=MODEL,
        own=shelf,
        remote_button=servers,
    )
    made.set_title("made: What a model file holds")
    until(lambda: bool(shelf.prompts))
    return made


def list_states(until: Until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """Name → how to build it."""

    def left(arrange: Callable[[Left], object]) -> Callable[[Bridge, Path], QWidget]:
        def build(_bridge: Bridge, _home: Path) -> QWidget:
            made = Left()
            arrange(made)
            return made

        return build

    def set_(chosen: ConversationSettings, arrange: Callable[[SettingsDialog], object] = lambda _made: None):
        def build(bridge: Bridge, home: Path) -> QDialog:
            made = settings(bridge, home, until, chosen)
            arrange(made)
            return made

        return build

    def wrong(made: SettingsDialog) -> None:
        for name, text in (("temperature", "hot"), ("seed", "-1"), ("max_tokens", "12")):
            made.sampling.rows[name].field.setText(text)
            made.sampling.rows[name].field.textEdited.emit(text)
        made.resize(600, 900)

    def renaming(made: SettingsDialog) -> None:
        made.prompt.choose(made.prompt._shelf.prompts[0].id)
        made.prompt.rename.click()

    def away(made: Left) -> None:
        made.filled(2).header.set_meter(TIGHT)

    own = ConversationSettings(
        system=prompts.phone_agent("zh", datetime.date(2026, 11, 21)),
        endpoint="away",
        temperature=0.7,
        seed=42,
    )
    return {
        "list-full": left(lambda made: made.filled()),
        "list-empty": left(lambda made: made.list.empty.show()),
        "list-found": left(lambda made: made.searched("model", FOUND)),
        "list-found-nothing": left(lambda made: made.searched("nowhere", Found((), complete=False))),
        "list-remote": left(away),
        "list-gone": left(lambda made: made.filled(6).header.set_meter(TOO_LONG)),
        "list-near": left(lambda made: made.filled(4)),
        "settings-plain": set_(ConversationSettings()),
        "settings-own": set_(own),
        "settings-wrong": set_(ConversationSettings(system="made: Be brief."), wrong),
        "settings-renaming": set_(ConversationSettings(endpoint="gone"), renaming),
        "shortcuts": lambda _bridge, _home: ShortcutsDialog(),
    }
