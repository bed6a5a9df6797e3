"""``autoglm-desktop serve TARGET``: the HTTP service in the terminal. Everything it says goes to stderr."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from .cli_chat import load_visibly
from .core.errors import AppError
from .i18n import _
from .usecases import serve as usecase
from .usecases.plan import prepare
from .usecases.services import Services, create_services
from .usecases.session import Prepare, Session, Wishes
from .usecases.targets import Target, resolve

if TYPE_CHECKING:
    from .service.run import Address

KEY_VARIABLE = "%AUTOGLM_API_KEY%" if os.name == "nt" else "$AUTOGLM_API_KEY"


async def run(options: argparse.Namespace) -> int:
    """The command: listens at once, loads the model, and serves until it is interrupted."""
    return await serve(options, create_services(), prepare)


async def serve(options: argparse.Namespace, services: Services, prepare: Prepare) -> int:
    """Serve until cancelled. Raises AppError when it can't listen or no rung of the model works."""
    serve_options = usecase.ServeOptions(
        host=options.host,
        port=options.port,
        api_key=usecase.read_api_key(options.api_key_file),
        allowed_hosts=usecase.read_allowed_hosts(),
    )
    usecase.check_options(serve_options)
    target = await asyncio.to_thread(resolve, services.library, options.target)
    session = Session(services, prepare)
    try:
        await _serve_and_load(session, services, target, Wishes(options.rung, options.context), serve_options)
    finally:
        await session.close()
    return 0


async def _serve_and_load(
    session: Session, services: Services, target: Target, wishes: Wishes, options: usecase.ServeOptions
) -> None:
    """Listen first: a port in use is told before minutes of loading. A load that fails ends the service."""
    from .service import run as service  # FastAPI and uvicorn come in only now

    listening = asyncio.Event()
    addresses: list[Address] = []

    def ready(address: Address) -> None:
        addresses.append(address)
        listening.set()

    def is_phone(loaded: Target | None) -> bool:
        return usecase.is_phone(loaded, services.library.catalog)

    tasks: set[asyncio.Task[object]] = set()
    tasks.add(asyncio.create_task(service.serve(session, options, ready, is_phone=is_phone)))
    waiting: asyncio.Task[object] = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if addresses:
            print(
                _("Listening on {url}; the model is being loaded.").format(url=addresses[0].url),
                file=sys.stderr,
            )
            tasks.add(asyncio.create_task(_load(session, services, target, wishes, options, addresses[0])))
        await _until_first_failure(tasks)
    finally:
        await _end({*tasks, waiting})


async def _load(
    session: Session,
    services: Services,
    target: Target,
    wishes: Wishes,
    options: usecase.ServeOptions,
    address: Address,
) -> None:
    await load_visibly(services, session, target, wishes)
    print(how_to_use(address.url, target.model or "autoglm-phone-9b", options), file=sys.stderr, flush=True)


def how_to_use(url: str, model: str, options: usecase.ServeOptions) -> str:
    """Commands to copy: curl and the phone agent."""
    body = '{"messages": [{"role": "user", "content": "hello"}]}'
    quoted = '"' + body.replace('"', '\\"') + '"' if os.name == "nt" else f"'{body}'"
    key = f' -H "Authorization: Bearer {KEY_VARIABLE}"' if options.api_key is not None else ""
    lines = [
        _("Ready. Ask it:"),
        f'  curl {url}/v1/chat/completions -H "Content-Type: application/json"{key} -d {quoted}',
        _("The phone agent (in a checkout of Open-AutoGLM):"),
        f"  python main.py --base-url {url}/v1 --model {model}",
    ]
    if options.api_key is not None:
        lines.append(_("  (with the key in PHONE_AGENT_API_KEY)"))
    lines.append(_("This version answers text only: it refuses the agent's screenshots, saying so."))
    lines.append(_("Ctrl-C ends the service."))
    return "\n".join(lines)


async def _until_first_failure(tasks: set[asyncio.Task[object]]) -> None:
    """Wait for all; the first that raises ends the waiting with its error."""
    done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _end(tasks: set[asyncio.Task[object]]) -> None:
    """Cancel what still runs and wait for it; its own errors no longer matter beside the one that ended it."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, AppError):
            await task
