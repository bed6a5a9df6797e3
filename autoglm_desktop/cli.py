"""The terminal: ``autoglm-desktop [COMMAND]``. Exit codes, signals and the log; each command has its module.

Exit: 0 done · 1 could not be done (one sentence on stderr) · 2 usage · 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path

from . import cli_words, i18n
from .cli_parser import build_parser, call
from .core.errors import AppError
from .i18n import _

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status. Never raises for expected failures."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    i18n.set_language(_language_of(words))
    _utf8_output()
    cli_words.translate()
    parser = build_parser()
    options = parser.parse_args(words)
    if options.command == "chat" and options.json and options.prompt is None:
        parser.error(_("--json needs -p: one question, one document"))
    _log_to_file(verbose=options.verbose)
    try:
        if options.command is None:
            return _window_or_terminal(options)
        status = run(options.handler(options), terminated=0 if options.command == "serve" else INTERRUPTED)
        sys.stdout.flush()
        return status
    except AppError as error:
        from .texts import errors

        print(errors.text(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(_("Interrupted."), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader of our output left; nothing more to say
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            return _surprise()
        print(_("Nothing more can be written: {detail}.").format(detail=error.strerror), file=sys.stderr)
        _drop_output()
        return 1
    except Exception:  # noqa: BLE001 - it goes to the log with its traceback
        return _surprise()


def _surprise() -> int:
    """Say where the details of the exception being handled are."""
    logging.getLogger(__name__).exception("unexpected error")
    print(
        _("An unexpected error happened; the details are in {path}.").format(path=_log_path()),
        file=sys.stderr,
    )
    return 1


def _drop_output() -> None:
    """What stdout's buffer still holds goes nowhere, without a complaint at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def run(work: Awaitable[int], *, terminated: int = INTERRUPTED) -> int:
    """Run a command's coroutine; Ctrl-C, SIGTERM and SIGHUP cancel it, so that everything it started is ended."""
    stopped: list[int] = []

    import asyncio  # 20 ms that the window's first picture need not wait for

    async def guarded() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            stopped.append(number)
            task.cancel()

        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last: the terminal was closed
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                continue
            with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows' loops have none
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if stopped and stopped[0] == signal.SIGTERM and terminated == 0:
            return 0
        raise KeyboardInterrupt from None


def has_display() -> bool:
    """Whether a window can be shown: a display server on Linux, always elsewhere."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _window_or_terminal(options: argparse.Namespace) -> int:
    if has_display():
        from . import app

        status = app.run()
        if status is not None:
            return status
    return run(call("cli_welcome:run", options))


def _language_of(words: Sequence[str]) -> str | None:
    """``--lang`` must be known before the parser's own texts are made."""
    for index, word in enumerate(words):
        if word.startswith("--lang="):
            return word.partition("=")[2]
        if word == "--lang" and index + 1 < len(words):
            return words[index + 1]
    return None


def _utf8_output() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us: what is said goes nowhere
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _log_path() -> Path:
    from .store import paths

    return paths.logs() / "autoglm-desktop.log"


def _log_to_file(*, verbose: bool) -> None:
    from logging.handlers import RotatingFileHandler

    logging.raiseExceptions = False  # a full disk must not print tracebacks into the terminal
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    path = _log_path()
    handler: logging.Handler
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            path, maxBytes=2_000_000, backupCount=2, encoding="utf-8", errors="backslashreplace"
        )
    except OSError:
        handler = logging.NullHandler()  # no place for a log; errors are told in a sentence all the same
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
