"""A conversation as the model's own chat template writes it."""

from __future__ import annotations

import datetime
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

from ..core.protocol import RAW, Message
from .server import JobFailed

ZERO_WIDTH_SPACE = "\u200b"
MIN_REPLY_TOKENS = 128
MIN_REPLY_IN_SMALL = 64
"""Where a quarter of the context is less than ``MIN_REPLY_TOKENS``."""
# Unicode noncharacters, for internal use: a picture's place in the rendered text is one, its number, the other.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_PICTURE = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_NOT_OURS = str.maketrans({_OPEN: "\ufffd", _CLOSE: "\ufffd"})

Part: TypeAlias = dict[str, Any]
"""A message part that shows a picture (``protocol.Message``)."""

# GLM-4's format, for glm4 files that were converted without their template.
GLM4_TEMPLATE = (
    "[gMASK]<sop>"
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def flatten(message: Message, control_tokens: Iterable[str], pictures: list[Part]) -> dict[str, str]:
    """Role and plain text of a message; control tokens in the text lose their meaning.

    Its pictures are appended to ``pictures``; each leaves a mark in the text, which ``split_at_pictures`` finds again.
    Raises JobFailed(unsupported) for a part of another kind.
    """
    content = message.content
    texts = []
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            text = part.get("text")
            texts.append("" if text is None else str(text).translate(_NOT_OURS))
        elif kind == "image":
            texts.append(f"{_OPEN}{len(pictures)}{_CLOSE}")
            pictures.append(part)
        else:
            raise JobFailed("unsupported", f"no_vision: a message part of type {kind!r}")
    whole = "".join(texts)  # a control token may be spread over two parts
    for token in control_tokens:
        if token in whole:
            whole = whole.replace(token, token[0] + ZERO_WIDTH_SPACE + token[1:])
    return {"role": message.role, "content": whole}


def begun_answer(messages: Sequence[Message], control_tokens: Iterable[str]) -> str | None:
    """The text of the answer that a conversation ends with, to be continued; None where it ends with a question.

    Raises JobFailed(unsupported) where it holds a picture.
    """
    if not messages or messages[-1].role != "assistant":
        return None
    pictures: list[Part] = []
    text = flatten(messages[-1], control_tokens, pictures)["content"]
    if pictures:
        raise JobFailed("unsupported", "an answer that is to be continued holds a picture")
    return text


def raw_text(messages: Sequence[Message]) -> str | None:
    """The text that is to be continued as it stands; None where the messages are a conversation.

    Raises JobFailed(unsupported) where it is empty, no text, or not alone.
    """
    if all(message.role != RAW for message in messages):
        return None
    text = messages[0].content
    if len(messages) > 1 or not isinstance(text, str):
        raise JobFailed("unsupported", "a raw prompt is one text and has no other messages beside it")
    if not text:
        raise JobFailed("unsupported", "the prompt is empty: there is nothing to continue")
    return text


def thinking_ended(text: str) -> str:
    """A prompt whose template has begun the thinking, with it ended at once, as Qwen3's template does without thinking:
    an answer that is held to a schema is said, not thought."""
    bare = text.rstrip()
    return f"{bare}\n\n</think>\n\n" if bare.endswith("<think>") else text


def split_at_pictures(text: str) -> tuple[list[str], list[int]]:
    """The rendered text's pieces and the numbers of the pictures between them."""
    pieces = _PICTURE.split(text)
    return pieces[::2], [int(number) for number in pieces[1::2]]


class Template:
    """The GGUF's chat template, rendered by jinja2's sandbox (a template is code from a downloaded file).

    Set up as transformers' ``apply_chat_template`` does. Raises JobFailed(bad_file) where it can't be read.
    """

    def __init__(self, source: str, special: dict[str, str]) -> None:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = _strftime_now
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError) as error:
            raise JobFailed("bad_file", f"chat template: {error}") from error
        self._values: dict[str, object] = {"tools": None, "documents": None, **special}

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """The prompt, ending where the assistant is to speak. Raises JobFailed(unsupported)."""
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **self._values)
        except Exception as error:  # the file's own code: whatever it raises, it refuses these messages
            raise JobFailed("unsupported", f"chat template: {error or type(error).__name__}") from error


def _raise_exception(message: Any) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(str(message))


def _strftime_now(form: str) -> str:
    return datetime.datetime.now().strftime(form)


def cuts(messages: tuple[Message, ...]) -> list[tuple[Message, ...]]:
    """The conversation whole, and without one, two … of its oldest turns."""
    found = [messages]
    while (shorter := without_oldest_turn(found[-1])) is not None:
        found.append(shorter)
    return found


def without_oldest_turn(messages: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """Drop the oldest whole turn (a user message and what follows it up to the next one) but the first.

    The system prompt, the first turn (an agent's task) and the last one stay; None when nothing more can go.
    """
    starts = [index for index, message in enumerate(messages) if message.role == "user"]
    if len(starts) < 3:
        return None
    return messages[: starts[1]] + messages[starts[2] :]


def reply_room(cells: int, most: int) -> int:
    """Tokens that a prompt leaves to its answer at least, of a context of ``cells``; ``most``: all that may be said."""
    return min(most, max(MIN_REPLY_IN_SMALL, min(MIN_REPLY_TOKENS, cells // 4)))


def fewest(numbers: range, fits: Callable[[int], bool]) -> int:
    """The first number that fits, else the last. By halving: a long conversation would be made anew for each of its
    turns."""
    return numbers[min(bisect_left(numbers, True, key=fits), len(numbers) - 1)]
