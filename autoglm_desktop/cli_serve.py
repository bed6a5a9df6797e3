"""``autoglm-desktop serve TARGET``: the HTTP service in the terminal. Everything it says goes to stderr."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .cli_chat import load_visibly, say_demo
from .core import demo
from .core.errors import AppError, EngineError, TargetError
from .core.protocol import Sampling
from .i18n import _
from .store import settings
from .texts import errors
from .usecases import pictures
from .usecases import serve as usecase
from .usecases.own_answers import OwnAnswers
from .usecases.plan import prepare
from .usecases.services import Services, create_services
from .usecases.session import Prepare, Session, Wishes
from .usecases.targets import Target, resolve

if TYPE_CHECKING:
    from .service.run import Address

KEY_VARIABLE = "%AUTOGLM_API_KEY%" if os.name == "nt" else "$AUTOGLM_API_KEY"
PHONE = "phone"
"""What a plan is made for that has the vision part, and room for a screenshot."""
SHORT_KEY = 16
"""A key with fewer characters can be guessed by who has a while; the window makes ones of 32."""


async def run(options: argparse.Namespace) -> int:
    """The command: listens at once, loads the model, and serves until it is interrupted."""
    return await serve(options, create_services(), prepare)


async def serve(options: argparse.Namespace, services: Services, prepare: Prepare) -> int:
    """Serve until cancelled. Raises AppError when it can't listen or no rung of the model works."""
    kept = await asyncio.to_thread(settings.load, services.home)
    serve_options = usecase.ServeOptions(
        host=options.host,
        port=options.port,
        api_key=usecase.read_api_key(options.api_key_file),
        allowed_hosts=usecase.read_allowed_hosts(setting=kept.service_hosts),
    )
    usecase.check_options(serve_options)
    target = await asyncio.to_thread(resolve, services.library, options.target)
    if target.is_demo:
        say_demo()
    wishes = Wishes(options.rung, options.context, batch=options.batch_size)
    session, own = Session(services, prepare), pictures.Pictures(services)
    try:
        await _serve_and_load(session, services, target, wishes, serve_options, own)
    finally:
        try:
            await session.close()
        finally:
            await own.close()
    return 0


async def _serve_and_load(
    session: Session,
    services: Services,
    target: Target,
    wishes: Wishes,
    options: usecase.ServeOptions,
    own: pictures.Pictures,
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

    def sampling(loaded: Target | None) -> Sampling:
        return usecase.sampling_of(loaded, services.library.catalog)

    see = functools.partial(pictures.seeing, services.library)
    tasks: set[asyncio.Task[object]] = set()
    serving = service.serve(
        OwnAnswers(session), options, ready, is_phone=is_phone, sampling=sampling, pictures=own, see=see
    )
    tasks.add(asyncio.create_task(serving))
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
    await _load_seeing(session, services, target, wishes)
    plan = session.state.plan
    if (wishes.batch or 1) > session.width and plan is not None:
        print(
            _("--batch-size has no effect: {rung} writes one answer at a time.").format(rung=plan.rung),
            file=sys.stderr,
        )
    urls = usecase.urls(address.host, address.port, address.url)
    print(how_to_use(urls, target.model or "autoglm-phone-9b", options), file=sys.stderr, flush=True)


async def _load_seeing(session: Session, services: Services, target: Target, wishes: Wishes) -> None:
    """Load with the vision part, where there is one and it fits; else say that only text is answered."""
    if target.is_demo:
        await load_visibly(services, session, target, wishes)
        return
    try:
        seeing = await asyncio.to_thread(pictures.seeing, services.library, target)
    except TargetError as error:
        print(errors.text(error), file=sys.stderr)
    else:
        try:
            await load_visibly(services, session, seeing, dataclasses.replace(wishes, wish=PHONE))
        except EngineError as error:
            if error.code != "nothing_fits":
                raise
            print(errors.text(error), file=sys.stderr)
        else:
            return
    print(_("So it is served for text only; requests with images are refused."), file=sys.stderr)
    await load_visibly(services, session, target, wishes)


def how_to_use(
    urls: Sequence[str], model: str, options: usecase.ServeOptions, *, windows: bool = os.name == "nt"
) -> str:
    """Addresses, and commands to copy: curl, the phone agent, the openai package. The first address is this
    machine's, the second one is for others."""
    url, key = urls[0], options.api_key is not None
    body = '{"messages": [{"role": "user", "content": "hello"}]}'
    quoted = '"' + body.replace('"', '\\"') + '"' if windows else f"'{body}'"
    given = f' -H "Authorization: Bearer {KEY_VARIABLE}"' if key else ""
    password = 'os.environ["AUTOGLM_API_KEY"]' if key else '"EMPTY"'
    client = f"from openai import OpenAI; client = OpenAI(base_url='{url}/v1', api_key={password})"
    lines = [_("Ready. Ask it:")]
    if len(urls) > 1:
        lines.insert(0, _("Other machines reach it at {urls}.").format(urls=", ".join(urls[1:])))
    lines.append(f'  curl {url}/v1/chat/completions -H "Content-Type: application/json"{given} -d {quoted}')
    if not demo.is_demo(model):  # which reads no screenshots
        lines += [
            _("The phone agent (in a checkout of Open-AutoGLM):"),
            f'  python main.py --base-url {urls[1] if len(urls) > 1 else url}/v1 --model "{model}"',
        ]
    lines += [_("Python:"), f"  {'import os; ' if key else ''}{client}"]
    if not key:  # a browser has none
        lines.append(_("What it offers: {url}").format(url=f"{url}/docs"))
    else:
        lines.append(
            _("The agent takes the key from PHONE_AGENT_API_KEY, curl and Python here from AUTOGLM_API_KEY.")
        )
    if options.api_key is not None and len(options.api_key) < SHORT_KEY:
        lines.append(
            _("The key has fewer than {least} characters: a longer one is harder to guess.").format(
                least=SHORT_KEY
            )
        )
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
