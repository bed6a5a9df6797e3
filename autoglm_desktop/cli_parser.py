"""The command line of the contract in docs (docs/json.md): commands, options and what they take."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from . import __version__
from .i18n import _

LEAST_CONTEXT = 256
"""Tokens; fewer leave no room for a prompt with its template and an answer."""
MOST_ANSWERS = 64
"""Of ``serve --batch-size``: more share a context of 16,384 tokens by less than a short prompt and answer take."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the contract in docs (docs/json.md)."""
    parser = argparse.ArgumentParser(
        prog="autoglm-desktop",
        description=_("Can my PC run AutoGLM-Phone-9B? Check, chat, serve. Without a command: the window."),
    )
    parser.add_argument("--version", action="version", version=f"autoglm-desktop {__version__}")
    _common(parser)
    parser.set_defaults(command=None, handler=None)
    commands = parser.add_subparsers(dest="command", metavar=_("COMMAND"))
    _add_check(commands)
    _add_models(commands)
    _add_pull(commands)
    _add_engines(commands)
    _add_chat(commands)
    _add_serve(commands)
    _add_doctor(commands)
    return parser


def _common(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Options that may stand before and behind the command; behind it they must not overwrite with a default."""
    parser.add_argument(
        "--lang", choices=("en", "zh", "zh_CN"), default=default, help=_("language of this program")
    )
    parser.add_argument(
        "--verbose", action="store_true", default=default or False, help=_("write more into the log file")
    )


def _command(commands: Any, name: str, handler: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=lambda options: call(handler, options))
    _common(parser, argparse.SUPPRESS)
    return parser


async def call(handler: str, options: argparse.Namespace) -> int:
    """Import a command's module only when it runs: starting stays quick."""
    module, function = handler.split(":")
    command = getattr(importlib.import_module(f"autoglm_desktop.{module}"), function)
    return int(await command(options))


def _add_check(commands: Any) -> None:
    parser = _command(
        commands, "check", "cli_check:run", _("what this machine can run, how fast, and what to change")
    )
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help=_("a model or a file; default: all models")
    )
    parser.add_argument(
        "--machine", metavar="FILE", help=_("judge the machine described in a JSON file instead")
    )
    parser.add_argument("--wish", choices=("phone", "text"), help=_("what the model is wanted for"))
    parser.add_argument("--context", type=_positive, metavar="N", help=_("context in tokens"))
    parser.add_argument("--variant", metavar="V", help=_("look at this GGUF variant only"))
    parser.add_argument(
        "--order", choices=("designed", "fastest", "quality"), help=_("what to prefer; default: as chosen")
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help=_("measure RAM, disk and the engine's speed first (about half a minute, up to 1.5 GB of disk)"),
    )
    parser.add_argument(
        "--forget-measurements",
        action="store_true",
        help=_("forget first what was measured on this machine"),
    )
    parser.add_argument(
        "--fetch-headers",
        action="store_true",
        help=_("ask the source for the header of the variant (uses the network)"),
    )
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))


def _add_models(commands: Any) -> None:
    parser = _command(
        commands, "models", "cli_models:models", _("the catalogue and the model files on this machine")
    )
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))
    parser.add_argument(
        "--check-updates",
        action="store_const",
        dest="handler",
        const=lambda options: call("cli_updates:run", options),
        help=_("ask the sources whether what was downloaded has changed (uses the network)"),
    )
    parser = _command(
        commands, "import", "cli_models:import_file", _("use a model that lies on this machine or a USB disk")
    )
    parser.add_argument("path", metavar="PATH", help=_("a GGUF file, or a folder with a model"))
    parser.add_argument(
        "--copy", action="store_true", help=_("copy it into the folder for models and compare the copy")
    )
    target = _("a path, a model or owner/repo of what was downloaded")
    parser = _command(
        commands, "verify", "cli_models:verify", _("read a model's files and compare them with their hashes")
    )
    parser.add_argument("target", metavar="TARGET", help=target)
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))
    parser = _command(commands, "remove", "cli_models:remove", _("delete a model's files without asking"))
    parser.add_argument("target", metavar="TARGET", help=target)
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))


def _add_pull(commands: Any) -> None:
    parser = _command(
        commands, "pull", "cli_pull:run", _("download a model; Ctrl-C pauses, the same again goes on")
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        help=_("MODEL[:VARIANT] of the catalogue, or owner/repo[:VARIANT] of a hub"),
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help=_(
            "auto, huggingface, hf-mirror, modelscope, an address (https://…) or a folder; default: as chosen"
        ),
    )
    parser.add_argument(
        "--dir", type=_folder, metavar="DIR", help=_("put the files into exactly this folder")
    )
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))


def _add_engines(commands: Any) -> None:
    parser = _command(
        commands, "engines", "cli_engines:run", _("the engines that run models: list, install, test, remove")
    )
    parser.add_argument("action", nargs="?", default="list", choices=("list", "install", "test", "remove"))
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))


def _target_help() -> str:
    """Of the commands that run a model."""
    return _(
        "a GGUF file or model folder, a model that is installed, or demo: the one that comes with the program"
    )


def _add_chat(commands: Any) -> None:
    parser = _command(commands, "chat", "cli_chat:run", _("chat with a model in the terminal"))
    parser.add_argument("target", metavar="TARGET", help=_target_help())
    parser.add_argument(
        "-p", "--prompt", metavar="PROMPT", help=_("ask once; the answer alone goes to stdout")
    )
    parser.add_argument("--image", metavar="FILE", help=_("a picture to ask about"))
    parser.add_argument("--rung", metavar="R", help=_("this rung of the ladder only"))
    parser.add_argument("--context", type=_context, metavar="N", help=_("context in tokens"))
    parser.add_argument(
        "--max-tokens", type=_positive, metavar="N", help=_("the answer's length at most, in tokens")
    )
    parser.add_argument("--json", action="store_true", help=_("one JSON document on stdout"))


def _add_serve(commands: Any) -> None:
    parser = _command(
        commands, "serve", "cli_serve:run", _("serve a model to the phone agent and other programs")
    )
    parser.add_argument("target", metavar="TARGET", help=_target_help())
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help=_("address to listen on"))
    parser.add_argument(
        "--port", type=_port, default=8000, metavar="PORT",
        help=_("port to listen on; 0 takes a free one (default: 8000)"),
    )  # fmt: skip
    parser.add_argument("--api-key-file", metavar="F", help=_("file with the key that clients must send"))
    parser.add_argument("--rung", metavar="R", help=_("this rung of the ladder only"))
    parser.add_argument("--context", type=_context, metavar="N", help=_("context in tokens"))
    parser.add_argument(
        "--batch-size",
        type=_batch,
        default=1,
        metavar="N",
        help=_("text answers written at once, 1 to 64; only an engine of transformers can (default: 1)"),
    )


def _add_doctor(commands: Any) -> None:
    parser = _command(
        commands, "doctor", "cli_doctor:run", _("a report for whoever helps you, without what is private")
    )
    parser.add_argument(
        "--output", metavar="FILE", help=_("write it into this file; default: to the terminal")
    )


def _folder(text: str) -> str:
    """An empty variable of a script is no folder."""
    if not text.strip():
        raise ValueError(text)
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _context(text: str) -> int:
    value = _positive(text)
    if value < LEAST_CONTEXT:
        raise argparse.ArgumentTypeError(
            _("a context has {least} tokens or more").format(least=LEAST_CONTEXT)
        )
    return value


def _batch(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if not 1 <= value <= MOST_ANSWERS:
        raise argparse.ArgumentTypeError(_("1 to {most} answers at once").format(most=MOST_ANSWERS))
    return value


def _port(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(_("a port is a number from 0 to 65535 (0: a free one)"))
    return value


_positive.__name__ = "positive number"  # argparse names the type in its message
_context.__name__ = _positive.__name__
_batch.__name__ = "batch size"
_port.__name__ = "port"
_folder.__name__ = "folder"
