"""What the phone agent must not see in a reply: template tokens anywhere, ``</answer>`` at the end.

With a trailing ``</answer>`` the agent can't parse the action and takes the step for finished (Open-AutoGLM PR 347,
PR 378, #376).
"""

from __future__ import annotations

import re

TEMPLATE_TOKENS = (
    "<|user|>", "<|endoftext|>", "<|observation|>", "<|end_of_box|>", "<|begin_of_box|>", "<|assistant|>", "<|system|>",
)  # fmt: skip
END_OF_ANSWER = "</answer>"

_TOKEN = re.compile("|".join(map(re.escape, TEMPLATE_TOKENS)))
_ENDING = re.compile(rf"(?:{re.escape(END_OF_ANSWER)}\s*)+\Z")


def _beginnings(*marks: str) -> frozenset[str]:
    return frozenset(mark[:length] for mark in marks for length in range(1, len(mark)))


_TOKENS_BEGIN = _beginnings(*TEMPLATE_TOKENS)
_ENDING_BEGINS = _beginnings(END_OF_ANSWER)
_LONGEST = max(map(len, (*TEMPLATE_TOKENS, END_OF_ANSWER))) - 1


class ReplyFilter:
    """Feed pieces of a reply; what comes out is free of template tokens and ends before a trailing ``</answer>``,
    and is the same however the reply was cut into pieces.

    Text that may be the start of either is held back until it is clear; ``rest`` gives what is left at the end.
    """

    def __init__(self) -> None:
        self._token = ""  # the beginning of a token, perhaps
        self._ending = ""  # the ending, perhaps

    def feed(self, text: str) -> str:
        """The text that is certain to be shown."""
        if not (self._token or self._ending) and "<" not in text:  # as nearly every piece
            return text
        *pieces, last = _TOKEN.split(self._token + text)
        cut = len(last) - _overlap(last, _TOKENS_BEGIN)
        self._token = last[cut:]
        return self._without_ending("".join(pieces) + last[:cut])

    def rest(self) -> str:
        """What is shown of the held text when the reply ends here."""
        text = _ENDING.sub("", self._ending + self._token)
        self._token = self._ending = ""
        return text

    def _without_ending(self, text: str) -> str:
        text = self._ending + text
        cut = len(text) - _overlap(text, _ENDING_BEGINS)
        ending = _ENDING.search(text, 0, cut)
        if ending is not None:
            cut = ending.start()
        self._ending = text[cut:]
        return text[:cut]


def _overlap(text: str, beginnings: frozenset[str]) -> int:
    """Length of the end of ``text`` that is one of the beginnings. None of them holds a second ``<``."""
    start = text.rfind("<", max(0, len(text) - _LONGEST))
    return len(text) - start if start >= 0 and text[start:] in beginnings else 0
