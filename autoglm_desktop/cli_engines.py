"""``autoglm-desktop engines [list|install NAME|test NAME|remove NAME]``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .cli_progress import ProgressLine
from .core.errors import EngineError
from .core.machine import Machine, to_json
from .host.environments import Environment
from .i18n import _
from .texts import engines as engine_texts
from .texts import reasons
from .texts import session as texts
from .usecases import engine_offer, engines
from .usecases.services import Services, create_services


async def run(options: argparse.Namespace) -> int:
    """The command."""
    services = create_services()
    if options.action == "list":
        return _list(services, await services.machine(), as_json=options.json)
    if options.name is None:
        raise EngineError(
            "engine_name_missing", action=options.action, known=", ".join(services.environments.descriptions)
        )
    if options.action == "remove":
        removed = await engines.remove(services, options.name)
        text = _("{name} was removed.") if removed else _("{name} was not installed by this program.")
        print(text.format(name=options.name), file=sys.stderr if options.json else sys.stdout)
        return 0
    line = ProgressLine()
    try:
        if options.action == "install":
            environment = await engines.install(services, options.name, line.install, repair=True)
        else:
            environment = await engines.test(services, options.name, line.install)
    finally:
        line.end()
    if options.json:
        print(json.dumps(document([entry(options.name, environment)]), ensure_ascii=False))
    else:
        print(texts.engine_text(environment))
    return 1 if environment.record.self_test == "failed" else 0


def document(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The document of ``engines --json``."""
    return {"schema": 1, "engines": entries}


def entry(name: str, environment: Environment | None) -> dict[str, Any]:
    """One engine of it."""
    if environment is None:
        return {"name": name, "installed": False}
    return {
        "name": name,
        "installed": True,
        **to_json(environment.info()),
        "build": environment.record.build or None,
        "message": environment.record.message,
        "options": to_json(environment.record.options),
        "own_environment": environment.own,
    }


def missing(one: engine_offer.Listed, offered: engine_offer.Offer | None) -> dict[str, Any]:
    """One engine of it that is not installed."""
    why = one.obstacle
    return {
        **entry(one.description.name, None),
        "backend": one.description.backend,
        "device": one.description.device,
        "download_mb": one.download_mb,
        "obstacle": None if why is None else {"code": why.code, "text": reasons.text(why)},
        "offered": offered is not None and offered.name == one.description.name,
    }


def _list(services: Services, machine: Machine, *, as_json: bool) -> int:
    found = {environment.description.name: environment for environment in services.environments.installed()}
    offered = engine_offer.offer(services, machine)
    entries: list[dict[str, Any]] = []
    for one in engine_offer.listed(services, machine):
        environment = found.get(one.description.name)
        if as_json:
            known = missing(one, offered) if environment is None else entry(one.description.name, environment)
            entries.append(known)
        else:
            print(engine_texts.missing_text(one) if environment is None else texts.engine_text(environment))
    if as_json:
        print(json.dumps(document(entries), ensure_ascii=False))
    elif offered is not None:
        print(engine_texts.offer_text(offered))
    return 0
