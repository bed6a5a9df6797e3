"""What the phone agent must not see in a reply: template tokens anywhere, ``</answer>`` at the end.

With a trailing ``</answer>`` the agent can't parse the action and takes the step for finished (Open-AutoGLM PR 347,
PR 378, #376).
"""

from __future__ import annotations

import re

TEMPLATE_TOKENS = ("<|user|>", "<|endoftext|>", "<|observation|>", "<|end_of_box|>", "<|begin_of_box|>")
END_OF_ANSWER = "</answer>"

_TOKEN = re.compile("|".join(map(re.escape, TEMPLATE_TOKENS)))
_ENDING = re.compile(rf"(?:{re.escape(END_OF_ANSWER)}\s*)+\Z")


class ReplyFilter:
    """Feed pieces of a reply; what comes out is free of template tokens and ends before a trailing ``</answer>``.

    Text that may be the start of either is held back until it is clear; ``rest`` gives what is left at the end.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that is certain to be shown."""
        self._held = _TOKEN.sub("", self._held + text)
        cut = len(self._held) - _overlap(self._held)
        ending = _ENDING.search(self._held, 0, cut)
        if ending is not None:
            cut = ending.start()
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def rest(self) -> str:
        """What is shown of the held text when the reply ends here."""
        shown, self._held = _ENDING.sub("", self._held), ""
        return shown


def _overlap(text: str) -> int:
    """Length of the longest end of ``text`` that begins something to be removed."""
    longest = 0
    for mark in (*TEMPLATE_TOKENS, END_OF_ANSWER):
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest
