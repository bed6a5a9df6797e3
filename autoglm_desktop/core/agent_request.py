"""What the published phone agent sends, and how it reads what comes. Pure.

Source: zai-org/Open-AutoGLM, phone_agent/model/client.py, phone_agent/agent.py and main.py (the check before a run).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .remote_stream import END, Lines, parse

MODEL = "autoglm-phone-9b"
NO_KEY = "EMPTY"
"""What it sends as its key where it was given none."""
GREETING, GREETING_TOKENS, GREETING_LIMIT_S = "Hi", 5, 30.0
"""Its check before a run gives up after so many seconds."""
MOST_STEPS = 3
SETTINGS: dict[str, Any] = {"max_tokens": 3000, "temperature": 0.0, "top_p": 0.85, "frequency_penalty": 0.2}

Message = dict[str, Any]


def greeting(model: str = MODEL) -> dict[str, Any]:
    """The body of its check before a run."""
    return {
        "messages": [{"role": "user", "content": GREETING}],
        "model": model,
        "max_tokens": GREETING_TOKENS,
        "temperature": 0.0,
        "stream": False,
    }


def split(reply: str) -> tuple[str, str]:
    """Thinking and action as the agent takes them apart: the marks of the thinking stay in it."""
    for mark in ("finish(message=", "do(action="):
        before, found, after = reply.partition(mark)
        if found:
            return before.strip(), mark + after
    before, found, after = reply.partition("<answer>")
    if not found:
        return "", reply
    thinking = before.replace("<think>", "").replace("</think>", "").strip()
    return thinking, after.replace("</answer>", "").strip()


@dataclass
class Talk:
    """What the agent remembers of a run: only its newest message holds a picture, and its own answers come back with
    their marks doubled."""

    system: str
    task: str
    _messages: list[Message] = field(default_factory=list)

    def look(self, png_base64: str, app: str) -> None:
        """The next screen; ``app``: the one in front."""
        screen = json.dumps({"current_app": app}, ensure_ascii=False)
        if not self._messages:
            self._messages.append({"role": "system", "content": self.system})
            text = f"{self.task}\n\n{screen}"
        else:
            text = f"** Screen Info **\n\n{screen}"
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png_base64}"}}
        self._messages.append({"role": "user", "content": [picture, {"type": "text", "text": text}]})

    def body(self, model: str = MODEL) -> dict[str, Any]:
        """The request for the next action."""
        return {"messages": list(self._messages), "model": model, **SETTINGS, "stream": True}

    def answered(self, reply: str) -> None:
        """Remember a reply, and forget the picture before it."""
        newest = self._messages[-1]
        self._messages[-1] = {
            **newest, "content": [part for part in newest["content"] if part["type"] == "text"],
        }  # fmt: skip
        thinking, action = split(reply)
        text = f"<think>{thinking}</think><answer>{action}</answer>"
        self._messages.append({"role": "assistant", "content": text})


@dataclass
class Hearing:
    """Reads a stream as the agent does: ``content`` of the first choice and nothing else. ``pieces`` of it came;
    ``keep_alives``: comments, which say that the service still works; ``ended``: the stream said so itself."""

    text: str = ""
    pieces: int = 0
    keep_alives: int = 0
    ended: bool = False
    finish: str | None = None
    _lines: Lines = field(default_factory=Lines)
    _at_start: bool = True

    def feed(self, data: bytes) -> bool:
        """Whether more of the reply came. Raises RemoteError: remote_garbled, remote_said, remote_too_long."""
        before = self.pieces
        self.keep_alives += data.count(b"\n:") + (self._at_start and data.startswith(b":"))
        self._at_start = data.endswith(b"\n")
        for event in self._lines.feed(data):
            self._read(event)
        return self.pieces > before

    def _read(self, event: str) -> None:
        if event.strip() == END:
            self.ended = True
            return
        choices = parse(event).get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        finish = choices[0].get("finish_reason")
        self.finish = finish if isinstance(finish, str) else self.finish
        delta = choices[0].get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if isinstance(content, str) and content:
            self.text += content
            self.pieces += 1
