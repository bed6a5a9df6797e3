"""Started without a command where no window can be shown: the check, then a chat, or how to go on."""

from __future__ import annotations

import argparse
import sys

from .cli import build_parser
from .cli_check import run as check
from .i18n import N_, _
from .usecases.services import create_services

SAMPLE_QUESTION = N_("What can I do with a language model on my own PC?")


async def run(options: argparse.Namespace) -> int:
    """No display: say so, print the check, then chat in the terminal; without a terminal ask one question."""
    print(_("No display was found, so there is no window; this is the terminal."), file=sys.stderr)
    parser = build_parser()
    await check(parser.parse_args(["check"]))
    files = [local for local in create_services().library.files() if local.refusal is None]
    interactive = sys.stdin is not None and sys.stdin.isatty()
    if files:
        largest = max(files, key=lambda local: local.size_bytes)
        words = ["chat", str(largest.path)]
        if not interactive:
            words += ["-p", _(SAMPLE_QUESTION), "--max-tokens", "64"]
            print(_("A question to {name}:").format(name=largest.name), _(SAMPLE_QUESTION))
        status: int = await parser.parse_args(words).handler(parser.parse_args(words))
        if interactive or status:
            return status
    print(how_to_go_on(bool(files)))
    return 0


def how_to_go_on(have_model: bool) -> str:
    """The next commands, without and with a model."""
    if have_model:
        return _(
            "Go on with:\n"
            "  autoglm-desktop chat FILE        chat in the terminal\n"
            "  autoglm-desktop serve FILE       let the phone agent or other programs use the model\n"
            "  autoglm-desktop                  the window, where there is a display"
        )
    return _(
        "No model file is on this machine yet. Go on with:\n"
        "  autoglm-desktop models           what this program knows, and where files belong\n"
        "  autoglm-desktop import FILE      use a GGUF file or a model folder that lies here\n"
        "  autoglm-desktop chat FILE        chat in the terminal"
    )
