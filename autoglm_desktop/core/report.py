"""The text of ``doctor``: conclusions, then what the probes read, in sections that can be read back. Pure.

A section begins with a line ``===== NAME =====``. Files of Linux are named by their path below the root; small ones
stand together in the sections FILES and GROUPS, a line each: ``sys/devices/system/cpu/online: 0-7``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SIGNATURE = "AutoGLM Desktop doctor report 1"
FILES = "files"
GROUPS = "control groups"
_HEAD = re.compile(r"===== (\S(?:.*\S)?) =====")


@dataclass(frozen=True)
class Section:
    """One raw output. ``personal`` False: the kernel, the firmware or a driver wrote it, so that a word in it that is
    also somebody's name is a coincidence."""

    name: str
    text: str
    personal: bool = True


def write(conclusions: str, sections: Iterable[Section]) -> str:
    """The whole report. A line in it that looks like the head of a section gets a blank before it."""
    parts = [f"{SIGNATURE}\n\n{_quoted(conclusions).rstrip()}\n"]
    for section in sections:
        text = _quoted(section.text)
        end = "" if text.endswith("\n") or not text else "\n"
        parts.append(f"\n===== {section.name} =====\n{text}{end}")
    return "".join(parts)


def read_back(text: str) -> dict[str, str]:
    """The sections of a report by name, as they were but for a last line's end. Mail and Windows may have changed the
    ends of lines."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []  # of the conclusions, which are no section
    for line in text.replace("\r\n", "\n").split("\n"):
        head = _HEAD.fullmatch(line)
        if head:
            lines = sections.setdefault(head[1], [])
        else:
            lines.append(line)
    return {name: "\n".join(body) for name, body in sections.items()}


def files_of(sections: Mapping[str, str]) -> dict[str, str]:
    """The text of every file in a report by its path below the root: a tree that the probes can be run on."""
    found = {name: text for name, text in sections.items() if "/" in name}
    for line in (sections.get(FILES, "") + sections.get(GROUPS, "")).splitlines():
        path, colon, value = line.partition(": ")
        if colon:
            found[path] = value + "\n"
    return found


def is_report(head: str) -> bool:
    """Whether a text begins as a report does."""
    return head.removeprefix("\ufeff").startswith(SIGNATURE)


def _quoted(text: str) -> str:
    return re.sub(r"(?m)^(?=\s*===== \S.* =====\s*$)", " ", text.replace("\r\n", "\n").replace("\r", "\n"))
