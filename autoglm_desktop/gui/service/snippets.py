"""Commands to copy: how programs use the service. Pure."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable

from ...core.agent_request import MODEL, NO_KEY
from ...i18n import N_

AGENT, CURL, PYTHON = "agent", "curl", "python"
NAMES = {AGENT: N_("Phone agent"), CURL: "curl", PYTHON: "Python"}
TASKS = {"zh": "打开设置", "en": "Open the settings"}
HELLO = {"zh": "你好", "en": "Hello"}


def text(kind: str, url: str, key: str | None, language: str, windows: bool = os.name == "nt") -> str:
    """``url``: with ``/v1``; ``key`` None: none is needed; ``language`` of the example: zh | en."""
    return _MAKERS[kind](url, key, language, windows)


def _agent(url: str, key: str | None, language: str, windows: bool) -> str:
    """Options as in zai-org/Open-AutoGLM, main.py."""
    parts = [f"python main.py --base-url {url}", f"--model {MODEL}"]
    if key is not None:
        parts.append(f"--apikey {key}")
    lang = "--lang en " if language == "en" else ""
    return _lines([*parts, f'{lang}"{TASKS[language]}"'], windows)


def _curl(url: str, key: str | None, language: str, windows: bool) -> str:
    body = json.dumps(
        {"model": MODEL, "messages": [{"role": "user", "content": HELLO[language]}]}, ensure_ascii=False
    )
    quoted = '"' + body.replace('"', '\\"') + '"' if windows else shlex.quote(body)
    parts = [f"curl {url}/chat/completions", '-H "Content-Type: application/json"']
    if key is not None:
        parts.append(f'-H "Authorization: Bearer {key}"')
    return _lines([*parts, f"-d {quoted}"], windows)


def _python(url: str, key: str | None, language: str, windows: bool) -> str:
    return f"""from openai import OpenAI

client = OpenAI(
    base_url="{url}",
    api_key="{key or NO_KEY}",
)
stream = client.chat.completions.create(
    model="{MODEL}",
    messages=[{{"role": "user", "content": "{HELLO[language]}"}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)"""


def _lines(parts: list[str], windows: bool) -> str:
    """One command over several lines, for the Command Prompt or a shell."""
    return (" ^\n  " if windows else " \\\n  ").join(parts)


_MAKERS: dict[str, Callable[[str, str | None, str, bool], str]] = {
    AGENT: _agent,
    CURL: _curl,
    PYTHON: _python,
}
