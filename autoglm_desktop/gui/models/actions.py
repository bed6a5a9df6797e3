"""What the Models page asks of the use cases, beside the queue. Tests and pictures give others.

The use cases of downloads bring an HTTP library, so they are imported when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.outlook import RepositoryPlans
from ...core.repository import Listing, Offer
from ...store import settings
from ...usecases import on_disk
from ...usecases.services import Services

if TYPE_CHECKING:
    from ...usecases.check import CheckResult
    from ...usecases.updates import Update

Report = Callable[[Any], None]
Offers = tuple[Listing, tuple[Offer, ...]]
Work = Callable[..., Coroutine[Any, Any, Any]]


async def repository_offers(services: Services, repo: str, source: str) -> Offers:
    from ...usecases import pull

    return await pull.repository_offers(services, repo, source)


async def open_variant(services: Services, check: CheckResult, model: str, variant: str, source: str) -> None:
    from ...usecases import opening

    await opening.open_variant(services, check, model, variant, source)


async def open_repository(
    services: Services, check: CheckResult, listing: Listing, offers: tuple[Offer, ...], fetch: bool
) -> RepositoryPlans:
    from ...usecases import opening

    return await opening.open_repository(services, check, listing, offers, fetch=fetch)


async def open_offer(
    services: Services, check: CheckResult, listing: Listing, offers: tuple[Offer, ...], offer: Offer
) -> RepositoryPlans:
    from ...usecases import opening

    return await opening.open_offer(services, check, listing, offers, offer)


def offline(services: Services) -> bool:
    """Whether the user has said that no hub is to be asked."""
    from ...usecases import opening

    return opening.offline(services.web.environment)


async def check_updates(services: Services) -> tuple[Update, ...]:
    from ...usecases import updates

    return await updates.check_updates(services)


async def verify(services: Services, path: Path, report: Report) -> on_disk.Verified:
    return await on_disk.verify(services, path, report)


async def import_path(services: Services, path: Path, copy: bool, report: Report) -> on_disk.Imported:
    return await on_disk.import_path(services, path, copy, report)


def chosen_source(services: Services) -> str:
    """The source that the user chose the last time."""
    return settings.load(services.home).source


def choose_source(services: Services, source: str) -> None:
    """Remember a source for all downloads from now on."""
    settings.update(services.home, source=source)


def token_where(services: Services, name: str) -> str | None:
    """Where the token of a source lies."""
    return services.keys.where(name)


def set_token(services: Services, name: str, token: str) -> str:
    """Keep a token; ``keyring`` or ``run``."""
    return services.keys.set(name, token)


def forget_token(services: Services, name: str) -> None:
    services.keys.forget(name)


@dataclass(frozen=True)
class Actions:
    """Coroutines run on the bridge's loop; the plain functions read or write, and are called in a thread."""

    offers: Callable[[Services, str, str], Coroutine[Any, Any, Offers]] = repository_offers
    open_variant: Work = open_variant
    open_repository: Work = open_repository
    open_offer: Work = open_offer
    offline: Callable[[Services], bool] = offline
    updates: Work = check_updates
    verify: Work = verify
    removal: Work = on_disk.removal
    remove: Work = on_disk.remove
    move_models: Work = on_disk.move_models
    import_path: Work = import_path
    disk_use: Work = on_disk.disk_use
    chosen_source: Callable[[Services], str] = chosen_source
    choose_source: Callable[[Services, str], None] = choose_source
    token_where: Callable[[Services, str], str | None] = token_where
    set_token: Callable[[Services, str, str], str] = set_token
    forget_token: Callable[[Services, str], None] = forget_token
