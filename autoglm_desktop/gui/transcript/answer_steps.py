"""Which answers are shown as an action of the phone agent. Pure."""

from __future__ import annotations

from ...core.errors import Reason
from ...core.phone_actions import read_step, split
from ...core.thinking import ANSWER
from .entry import PhoneStep, Shown

CALLS = ("do(action=", "finish(message=")

LONGEST = 100_000
"""Characters; the parser reads no more of a reply."""


def step_of(reply: str, said: str, picture: Shown | None = None) -> PhoneStep | None:
    """The action that an answer is; None where it only speaks of one. ``said``: the reply without its thinking.

    It is one where nothing stands beside ``do(…)`` or ``finish(…)``, or where the model marked it with ``<answer>``.
    """
    said = said.strip()
    if len(said) > LONGEST or not said.endswith(")"):
        return None
    step = read_step(said)
    if step.action is None:
        return None
    before = said[: len(said) - len(step.written)].strip()
    if not said.endswith(step.written) or (before and not _marked(reply, step.written)):
        return None
    return PhoneStep(step.action, step.written, before, picture)


def refusal_of(said: str) -> Reason | None:
    """Why an answer that is a call and nothing else can't be read as an action; None: it is none, or can be read."""
    said = said.strip()
    if len(said) > LONGEST or not said.startswith(CALLS) or not said.endswith(")"):
        return None
    reason = read_step(said).reason
    return None if reason is not None and reason.code == "action_after" else reason


def _marked(reply: str, written: str) -> bool:
    """Whether the model wrote this behind the mark of an answer, and nothing else."""
    _before, mark, after = reply.rpartition(ANSWER)
    return bool(mark) and split(after) == ("", written)
