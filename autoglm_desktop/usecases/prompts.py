"""The prompts that come with the program: plain text files in ``resources/prompts``, written for this project."""

from __future__ import annotations

import datetime

from ..core.errors import AppError
from ..i18n import N_, _
from ..store import paths
from ..store.own_prompts import Prompt

PHONE_AGENT = "phone_agent"
LANGUAGES = ("zh", "en")
LANGUAGE_NAMES = {"zh": "中文", "en": "English"}
NAMES = {
    PHONE_AGENT: N_("Phone agent"),
    "assistant": N_("Assistant"),
    "short": N_("Short answers"),
    "translator": N_("Translator, Chinese and English"),
    "code": N_("Explains code"),
    "screenshot": N_("Describes screenshots"),
}
"""The prompts that come with the program, in the order in which they are offered."""

_WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


def phone_agent(language: str, today: datetime.date) -> str:
    """What an agent that uses a phone is told, with the date. ``language``: zh | en. Reads a file.

    Raises AppError(file_unreadable).
    """
    return _read(f"{PHONE_AGENT}.{language}.txt").replace("{today}", date_text(language, today))


def library(language: str, today: datetime.date) -> tuple[Prompt, ...]:
    """Every prompt in every language, those of ``language`` (zh | en) first. An id looks like ``phone_agent.zh``. Reads
    files.

    Raises AppError(file_unreadable).
    """
    order = sorted(LANGUAGES, key=lambda one: one != language)
    return tuple(_prompt(kind, one, today) for one in order for kind in NAMES)


def _prompt(kind: str, language: str, today: datetime.date) -> Prompt:
    text = phone_agent(language, today) if kind == PHONE_AGENT else _read(f"{kind}.{language}.txt")
    return Prompt(f"{kind}.{language}", f"{_(NAMES[kind])} ({LANGUAGE_NAMES[language]})", text)


def date_text(language: str, day: datetime.date) -> str:
    """``2026年11月21日 星期六``, ``2026-11-21, Saturday``."""
    weekday = _WEEKDAYS[language][day.weekday()]
    if language == "zh":
        return f"{day.year}年{day.month:02}月{day.day:02}日 {weekday}"
    return f"{day.isoformat()}, {weekday}"


def language_of(interface: str) -> str:
    """The prompts' language for one of the interface: ``zh_CN`` → zh."""
    return "zh" if interface.startswith("zh") else "en"


def _read(name: str) -> str:
    path = paths.resources() / "prompts" / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise AppError("file_unreadable", path=str(path), detail=detail) from error
