"""Started without a command where no window can be shown: the check, then a chat, or one question and how to go on."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass

from . import cli_check
from .cli_parser import build_parser
from .core.errors import AppError
from .core.units import format_bytes
from .i18n import N_, _, as_started
from .texts import demo as demo_texts
from .texts import errors
from .usecases import demo
from .usecases.check import CheckOptions, CheckResult, run_check
from .usecases.demo import BestHere
from .usecases.services import Services, create_services

SAMPLE_QUESTION = N_("What can I do with a language model on my own PC?")
SAMPLE_TOKENS = 64
"""Of an installed model's answer, which may be a slow one; the demo's is short by itself."""
MOST_TRIED = 3
"""Installed models, of which the largest may be too large for this machine."""


@dataclass(frozen=True)
class Way:
    """A model to chat with: a path, as ``chat`` takes it, and its name."""

    path: str
    name: str
    is_demo: bool = False


async def run(_options: argparse.Namespace) -> int:
    """No display: say so, print the check, then chat in the terminal; without a terminal ask one question. Exit status
    1 where no model could be used."""
    print(_("No display was found, so there is no window; this is the terminal."), file=sys.stderr)
    services = create_services()
    found = await run_check(services, CheckOptions())
    await cli_check.show(services, found)
    if services.models_folder_gone:
        text = _("The folder for models {folder} is not there; is its disk connected?")
        print(text.format(folder=services.models), file=sys.stderr)
    interactive = sys.stdin is not None and sys.stdin.isatty()
    ways = await asyncio.to_thread(ways_of, services)
    used, status = await _first_that_works(ways, interactive=interactive)
    if interactive and used is not None and not used.is_demo:
        return status
    have_model = any(not way.is_demo for way in ways)
    print(how_to_go_on(have_model, demo=any(way.is_demo for way in ways), best=_to_pull(found)))
    return status


def ways_of(services: Services) -> tuple[Way, ...]:
    """The largest models that are installed, then the demo. Reads files."""
    library = services.library
    files = [local for local in library.files() if local.refusal is None]
    files.sort(key=lambda local: local.size_bytes, reverse=True)
    ways = [Way(str(local.path), local.name) for local in files[:MOST_TRIED]]
    if library.demo is not None and library.demo.is_there:
        ways.append(Way(str(library.demo.folder), demo_texts.word(), is_demo=True))
    return tuple(ways)


async def _first_that_works(ways: tuple[Way, ...], *, interactive: bool) -> tuple[Way | None, int]:
    """Which one was used, and the exit status. What fails is told in a sentence, once, and the next one tried."""
    told: set[str] = set()
    for way in ways:
        try:
            return way, await _chat(way, interactive=interactive)
        except AppError as error:
            text = errors.text(error)
            if text not in told:
                print(text, file=sys.stderr)
            told.add(text)
    return None, 1 if ways else 0


async def _chat(way: Way, *, interactive: bool) -> int:
    words = ["chat", way.path]
    if not interactive:
        question = _(SAMPLE_QUESTION)
        words += ["-p", question]
        if way.is_demo:
            print(
                "\n" + _("A question to the demo, a very small model that only knows this program:"), question
            )
        else:
            words += ["--max-tokens", str(SAMPLE_TOKENS)]
            print("\n" + _("A question to {name}:").format(name=way.name), question)
        sys.stdout.flush()
    chat = build_parser().parse_args(words)
    status: int = await chat.handler(chat)
    return status


def _to_pull(found: CheckResult) -> BestHere | None:
    """The model to get on this machine, where a source has it and it is not here."""
    best = demo.best_here(found)
    if best is None or best.installed:
        return None
    subject = next(one for one in found.subjects if one.subject.id == best.model)
    return best if subject.source(best.variant) is not None else None


def how_to_go_on(have_model: bool, *, demo: bool = False, best: BestHere | None = None) -> str:
    """The next commands, without and with a model."""
    if have_model:
        head, rows = _("Go on with:"), _with_model()
    else:
        head = _("No model file is on this machine yet. Go on with:")
        rows = _without_model(demo, best)
    rows = [(as_started(f"autoglm-desktop {words}").rstrip(), text) for words, text in rows]
    width = max(len(command) for command, _text in rows)
    return "\n".join(["\n" + head, *(f"  {command:<{width}}  {text}" for command, text in rows)])


def _with_model() -> list[tuple[str, str]]:
    return [
        ("chat FILE", _("chat in the terminal")),
        ("serve FILE", _("let the phone agent or other programs use the model")),
        ("", _("the window, where there is a display")),
    ]


def _without_model(demo: bool, best: BestHere | None) -> list[tuple[str, str]]:
    rows = [("chat demo", _("ask the demo more, in the terminal"))] if demo else []
    if best is not None:
        size = format_bytes(best.download_bytes) if best.download_bytes is not None else "?"
        text = _("get {model} {variant} ({size}), the best for this machine")
        told = text.format(model=best.title, variant=best.variant, size=size)
        rows.append((f"pull {best.model}:{best.variant}", told))
    return [
        *rows,
        ("import FILE", _("use a GGUF file or a model folder that lies here")),
        ("models", _("what this program knows, and where files belong")),
    ]
