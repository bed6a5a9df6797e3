"""When the demo answers, and which real model it points to."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..core.best_model import best_model, verdict_of
from .check import CheckResult
from .services import Services
from .targets import Target, of_demo

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """``there``: the demo came with this installation; ``alone``: no model that can be run is installed."""

    there: bool
    alone: bool

    @property
    def wanted(self) -> bool:
        """Whether the demo is what answers where nobody chose a model."""
        return self.there and self.alone


@dataclass(frozen=True)
class BestHere:
    """The best real model for this machine. ``verdict``: runs_well | runs | slow, None: its speed is not known;
    ``download_bytes`` None: not known, or ``installed``."""

    model: str
    title: str
    variant: str
    verdict: str | None
    download_bytes: int | None
    installed: bool


def look(services: Services) -> Look:
    """Whether the demo is wanted. A models folder that can't be reached now may hold models: nothing takes their
    place. Reads files."""
    demo = services.library.demo
    services.reread_settings()
    installed = services.models_folder_gone or any(
        local.refusal is None for local in services.library.files()
    )
    return Look(demo is not None and demo.is_there, not installed)


def wanted(services: Services) -> bool:
    """Whether the demo is there and nothing else can be run. Reads files."""
    return look(services).wanted


def target_if_wanted(services: Services) -> Target | None:
    """The demo, ready to be loaded, where it is wanted. Reads files, writes its GGUF file at first use. Raises as
    ``targets.of_demo``."""
    return of_demo(services.library) if wanted(services) else None


def size_bytes(services: Services) -> int | None:
    """What the demo takes in this installation; None where it is missing. Reads a folder."""
    demo = services.library.demo
    if demo is None or not demo.is_there:
        return None
    try:
        return sum(path.stat().st_size for path in demo.folder.iterdir() if path.is_file())
    except OSError as error:
        log.info("the demo's size is not known: %s", error)
        return None


def best_here(check: CheckResult) -> BestHere | None:
    """Of the catalogue's models, the one to get on the checked machine; None where none fits."""
    pairs = zip(check.subjects, check.models, strict=True)
    known = {plan.id: (subject, plan) for subject, plan in pairs if subject.model is not None}
    phone = [name for name, (subject, _plan) in known.items() if subject.model and subject.model.phone]
    found = best_model([plan for _subject, plan in known.values()], phone)
    if found is None or found.recommended is None:
        return None
    advised, title = found.recommended, known[found.id][0].title
    size, installed = advised.download_bytes or None, advised.download_bytes == 0
    return BestHere(found.id, title, advised.variant, verdict_of(found), size, installed)
