"""States of the joined chat tab for tests.gui.render: pictures, actions, servers, search, undo. All is made up."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.store import conversation_pictures
from autoglm_desktop.store.conversations import Conversations, Facts
from autoglm_desktop.usecases.remote_servers import Draft, servers_of
from autoglm_desktop.usecases.services import create_services
from tests.gui.chat_states import Stand, Until
from tests.gui.phone_states import THOUGHT, write_screen

PLAN = RungPlan(
    "gguf-gpu",
    context=16_384,
    memory={"gpu:0": DeviceMemory(kv_cache=671_088_640)},
    tokens_per_s=31.0,
    prompt_tokens_per_s=900.0,
    image_s=1.6,
    phone_step=PhoneStep(3_354, 2_000, 0, 200),
)
SEEING = Proof("llama.cpp", "made", projector="gpu glm4v F16", context=16_384)
FACTS = Facts("AutoGLM-Phone-9B Q4_K_M", "gguf-gpu", 96, 31.2, 4.1, prompt_tokens=3_402, thinking_s=2.6)
ACTION = f'<think>{THOUGHT}</think>\n<answer>do(action="Tap", element=[420,466])'


def ready(stand: Stand) -> None:
    stand.state("ready", plan=PLAN, proof=SEEING)


def written_before(home: Path) -> None:
    """A conversation with a screenshot and an action, beside the others."""
    store = Conversations(home / "conversations.sqlite3")
    store.open()
    talk = store.create("打开设置里的深色模式")
    kept = conversation_pictures.keep(store.pictures, write_screen(home / "settings.png"))
    shown = dataclasses.replace(kept, name="settings.png")
    store.append(talk.id, "user", "打开设置里的深色模式", Facts(), [shown])
    answer = store.append(talk.id, "assistant", "")
    store.finish(answer.id, ACTION, "stop", FACTS)
    store.pin(talk.id, True)
    store.close()


def drawn(stand: Stand) -> None:
    """Painted until all pictures in view are there, at both sizes that are rendered."""
    for width, height in ((1104, 756), (824, 606)):
        stand.page.resize(width, height)
        for _round in range(3):
            stand.page.grab()
            stand.until(lambda: not stand.page.parts.transcript.thumbnails.busy)


def action(stand: Stand) -> None:
    ready(stand)
    stand.open()
    drawn(stand)


def attached(stand: Stand) -> None:
    ready(stand)
    target = stand.session.state.target
    stand.page.writing._looked_at = stand.page.writing._seeing = target
    home = stand.page.conversations.archive.pictures.parent
    writing = stand.page.writing
    shots = [
        write_screen(home / name, *size) for name, size in (("a.png", (1080, 2400)), ("b.png", (540, 1200)))
    ]
    writing.attachments.give(shots)
    stand.until(lambda: len(writing.attachments.pictures()) == 2)
    writing.composer.set_text("What is different on the second one?")
    uses: list[object] = []
    writing.measured.connect(uses.append)
    stand.until(lambda: bool(uses) and writing.attachments.items[0].cost is not None)


def remote(stand: Stand) -> None:
    home = stand.page.conversations.archive.pictures.parent
    servers = servers_of(create_services(home))
    draft = Draft("made: lab server", "https://models.example.org/v1", model="autoglm-phone-9b")
    saved = asyncio.run(servers.save(draft))
    stand.page.endpoints.show([saved.endpoint])
    stand.page.controller.change_settings(ConversationSettings(endpoint=saved.endpoint.id))


def searched(stand: Stand) -> None:
    action(stand)
    stand.page.parts.list.field.setText("设置")
    stand.until(lambda: stand.page.parts.list.found.isVisibleTo(stand.page))


def deleted(stand: Stand) -> None:
    action(stand)
    current = stand.page.controller.current
    assert current is not None
    stand.page.controller.delete(current.id)
    stand.until(lambda: stand.page.parts.notice.notice is not None)


def editing(stand: Stand) -> None:
    action(stand)
    stand.page.acts.messages.act("edit", stand.page.controller.messages[0].id)
    stand.until(lambda: bool(stand.page.writing.attachments.pictures()))


def chat_more_states(until: Until) -> dict[str, Callable[[Bridge, Path], ChatPage]]:
    """Name → how to build the page."""

    def state(arrange: Callable[[Stand], None]) -> Callable[[Bridge, Path], ChatPage]:
        def build(bridge: Bridge, home: Path) -> ChatPage:
            written_before(home)
            stand = Stand(bridge, home, until)
            arrange(stand)
            return stand.page

        return build

    return {
        "chat-action": state(action),
        "chat-attached": state(attached),
        "chat-remote": state(remote),
        "chat-searched": state(searched),
        "chat-deleted": state(deleted),
        "chat-editing": state(editing),
    }
