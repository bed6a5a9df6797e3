"""``autoglm-desktop chat TARGET``: one question (``-p``) or a conversation in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from . import cli_offer
from .cli_pictures import FirstPicture
from .cli_walk import told
from .core import demo, protocol, sampling_defaults
from .core.errors import AppError, EngineError, TargetError
from .core.machine import to_json
from .core.protocol import Message, Sampling
from .i18n import _
from .texts import demo as demo_texts
from .texts import errors
from .texts import session as texts
from .texts.rungs import rung_text
from .usecases.plan import prepare
from .usecases.services import Services, create_services
from .usecases.session import Session, SessionState, Wishes
from .usecases.targets import Target, resolve


@dataclass
class Answer:
    """What one question brought."""

    text: str = ""
    done: protocol.Done | None = None


async def run(options: argparse.Namespace) -> int:
    """The command."""
    services = create_services()
    if options.prompt is not None and not options.prompt.strip():
        raise TargetError("empty_prompt")
    target = await asyncio.to_thread(resolve, services.library, options.target)
    if target.is_demo:
        say_demo(ask=options.prompt is None)
    picture = FirstPicture(services, options.image)
    target = await picture.check(target)
    session = Session(services, prepare)
    started = time.monotonic()
    try:
        await load_visibly(services, session, target, Wishes(options.rung, options.context, picture.wish))
        load_s = time.monotonic() - started
        sampling = sampling_defaults.defaults(target.model, services.library.catalog)
        sampling = replace(sampling, max_tokens=options.max_tokens or sampling.max_tokens)
        if options.prompt is None:
            with told(session, reloads=True):
                return await _conversation(session, sampling, picture)
        message = await picture.message(session, options.prompt, sampling.max_tokens)
        said = Answer()
        try:
            with told(session, reloads=True):
                answer = await ask(session, [message], sampling, show=not options.json, into=said)
        except AppError as error:
            if said.text and not options.json:
                print(flush=True)  # the sentence on stderr begins a line
            if f"{error.code}_once" in errors.TABLE:
                raise EngineError(f"{error.code}_once", **error.values) from error
            raise
        if options.json:
            print(json.dumps(as_json(target, session.state, answer, load_s), ensure_ascii=False))
        return 0
    finally:
        try:
            await session.close()
        finally:
            await picture.close()


def say_demo(*, ask: bool = False) -> None:
    """What it is, on stderr; with ``ask`` also what to ask it."""
    print(demo_texts.told(), file=sys.stderr)
    if ask and sys.stdin is not None and sys.stdin.isatty():
        print(demo_texts.suggested(), file=sys.stderr)


async def load_visibly(services: Services, session: Session, target: Target, wishes: Wishes) -> None:
    """Load with progress on stderr; says which rungs failed, what the self-test found and what it runs on."""
    with told(session, reloads=False):
        state = await session.load(target, wishes)
    assert state.plan is not None and state.proof is not None
    environment = services.environments.find(state.engine or "")
    if environment is not None:
        print(texts.engine_text(environment), file=sys.stderr)
    print(f"{rung_text(state.plan.rung)} · {texts.proof_text(state.proof)}", file=sys.stderr)
    await cli_offer.say_after_load(services, state.plan, wishes.rung)
    if wishes.context is not None and state.plan.context is not None and state.plan.context < wishes.context:
        text = _("The context is {tokens} tokens: the model was made for no more, or no more fits.")
        print(text.format(tokens=state.plan.context), file=sys.stderr)


async def ask(
    session: Session,
    messages: list[Message],
    sampling: Sampling,
    *,
    show: bool,
    into: Answer | None = None,
) -> Answer:
    """One answer, streamed to stdout when ``show``. Raises EngineError; what came until then stands in ``into``."""
    answer = into if into is not None else Answer()
    async with contextlib.aclosing(session.generate(messages, sampling)) as events:
        async for event in events:
            if isinstance(event, protocol.Delta):
                answer.text += event.text
                if show:
                    sys.stdout.write(event.text)
                    sys.stdout.flush()
            else:
                answer.done = event
    if show:
        sys.stdout.write("\n")
        sys.stdout.flush()
    return answer


def as_json(target: Target, state: SessionState, answer: Answer, load_s: float) -> dict[str, Any]:
    """The document of ``chat --json``."""
    done = answer.done
    if done is None or state.plan is None or state.proof is None:
        raise EngineError("engine_died", kind="not_proven", detail="", rung="")
    return {
        "schema": 1,
        "target": demo.ID if target.is_demo else str(state.shown_file or target.file),
        "variant": state.plan.variant,
        "rung": state.plan.rung,
        "text": answer.text,
        "finish_reason": done.finish_reason,
        "usage": to_json(done.usage),
        "timings": {"load_s": load_s, **to_json(done.timings)},
        "proof": to_json(state.proof),
        "tries": to_json(state.tries),
    }


async def _conversation(session: Session, sampling: Sampling, picture: FirstPicture) -> int:
    """Lines from stdin until its end. Ctrl-C while it answers stops the answer; otherwise it ends the program."""
    interactive = sys.stdin is not None and sys.stdin.isatty()
    if interactive:
        print(_("Type a message and press Enter; Ctrl-D ends."), file=sys.stderr)
    history: list[Message] = []
    full = False
    async for line in _lines(interactive=interactive):
        if not line.strip():
            continue
        try:
            history.append(await picture.message(session, line, sampling.max_tokens))
        except AppError as error:
            print(errors.text(error), file=sys.stderr)
            if not interactive:
                return 1
            continue
        said = Answer()
        asking = asyncio.ensure_future(ask(session, history, sampling, show=True, into=said))
        try:
            answer = await asyncio.shield(asking)
        except asyncio.CancelledError:
            if not interactive or asking.done():
                await _stop(asking)
                raise
            _still_wanted()
            session.stop()
            answer = await asking
        except AppError as error:
            if said.text:
                print()
                history.append(Message("assistant", said.text))
            else:
                picture.take_back(history.pop())
            print(errors.text(error), file=sys.stderr)
            if not interactive:
                return 1
            continue
        history.append(Message("assistant", answer.text))
        if answer.done is not None and answer.done.usage.dropped_messages and not full:
            full = True  # so are all the next ones: said once
            print(
                _("From now on the oldest messages are left out: they no longer fit the context."),
                file=sys.stderr,
            )
        if interactive and answer.done is not None:
            print(texts.done_text(answer.done), file=sys.stderr)
    return 0


def _still_wanted() -> None:
    """Take back the cancellation that Ctrl-C asked for (Python 3.11 and later count them)."""
    task = asyncio.current_task()
    if sys.version_info >= (3, 11) and task is not None:
        task.uncancel()


async def _stop(asking: asyncio.Future[Answer]) -> None:
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def _lines(*, interactive: bool) -> AsyncIterator[str]:
    """Lines of stdin, read by a daemon thread: a blocked read must not keep the program from ending."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None]()
    wanted = threading.Semaphore(0)

    def read() -> None:
        line: str | None
        while True:
            wanted.acquire()
            try:
                line = input("> ") if interactive else sys.stdin.readline()
                line = line.rstrip("\n") if interactive or line else None
            except (EOFError, ValueError, AttributeError, OSError):
                line = None
            with contextlib.suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(queue.put_nowait, line)
            if line is None:
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while True:
        wanted.release()
        line = await queue.get()
        if line is None:
            return
        yield line
