"""Variants that the user opens on the Models page: of the one opened last the header is read, one at a time.

Nothing is asked for by merely showing the page. Moving on, to another variant, another page or the program's end, ends
the request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import QObject, Signal

from ...core.errors import AppError
from ...core.outlook import NOTHING_JUDGED, RepositoryPlans
from ...core.repository import Listing, Offer, find_offer
from ...usecases.check import CheckResult
from ...usecases.services import Services
from ..bridge import Bridge, Job
from .actions import Actions

Work = Callable[[], Coroutine[Any, Any, Any]]


class Opening(QObject):
    """``changed()``: another state to show; ``came()``: a header of the catalogue's is there, and plans are to be made
    anew; ``judged(RepositoryPlans)``: of the repository that was listed last."""

    changed = Signal()
    came = Signal()
    judged = Signal(object)

    def __init__(
        self, bridge: Bridge, services: Services, actions: Actions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._actions = bridge, services, actions
        self._check: CheckResult | None = None
        self._listed: tuple[Listing, tuple[Offer, ...]] | None = None
        self._job: Job | None = None
        self._opened: set[str] = set()
        self._done: set[str] = set()
        self._problems: dict[str, AppError] = {}
        self.reading: str | None = None
        """The target whose header is being read; of a repository as a whole its name."""

    def set_check(self, check: CheckResult) -> None:
        """Judge for this machine from now on."""
        self._check = check
        if self._listed is not None and self.reading is None:
            self._judge(self._listed)

    def is_open(self, target: str) -> bool:
        return target in self._opened

    def problem(self, target: str) -> AppError | None:
        """Why its header could not be had."""
        return self._problems.get(target)

    def turn(self, target: str, opened: bool, source: str, *, installed: bool = False) -> None:
        """A variant of the catalogue, ``MODEL:VARIANT``, is unfolded or folded."""
        model, _colon, variant = target.partition(":")
        check = self._check

        def work() -> Coroutine[Any, Any, Any]:
            return self._actions.open_variant(self._services, check, model, variant, source)

        self._turn(target, opened, None if installed or check is None else work, self._came)

    def turn_offer(self, target: str, opened: bool) -> None:
        """A variant of the repository that is listed, ``owner/repo:VARIANT``."""
        listed, check = self._listed, self._check
        offer = find_offer(listed[1], target.partition(":")[2]) if listed is not None else None
        work: Work | None = None
        if listed is not None and offer is not None and check is not None:
            listing, offers = listed

            def work() -> Coroutine[Any, Any, Any]:
                return self._actions.open_offer(self._services, check, listing, offers, offer)

        self._turn(target, opened, work, self._show_judged)

    def show_listing(self, listing: Listing, offers: tuple[Offer, ...], meant: str | None = None) -> None:
        """A repository was listed: the user wants to know of its variants, above all of the one that was ``meant``. One
        header tells of all."""
        self._listed = (listing, offers)
        self._opened = {target for target in self._opened if not target.startswith(f"{listing.repo}:")}
        self.judged.emit(NOTHING_JUDGED)
        offer = _named(offers, meant) if meant is not None else None
        if offer is not None and self._check is not None:
            self.turn_offer(f"{listing.repo}:{offer.id}", True)
        else:
            self._done.discard(listing.repo)
            self._judge(self._listed)
        self.changed.emit()

    def leave(self) -> None:
        """The user has moved on."""
        self._stop()
        self.changed.emit()

    def _judge(self, listed: tuple[Listing, tuple[Offer, ...]]) -> None:
        check, (listing, offers) = self._check, listed
        if check is None or not offers:
            return
        fetch = listing.repo not in self._done and not self._actions.offline(self._services)

        def work() -> Coroutine[Any, Any, Any]:
            return self._actions.open_repository(self._services, check, listing, offers, fetch)

        self._read(listing.repo, work, self._show_judged)

    def _show_judged(self, found: RepositoryPlans) -> None:
        self.judged.emit(found)

    def _came(self, _none: object) -> None:
        self.came.emit()

    def _turn(self, target: str, opened: bool, work: Work | None, done: Callable[[Any], None]) -> None:
        if not opened:
            self._opened.discard(target)
            if self.reading == target:
                self._stop()
        else:
            self._opened.add(target)
            self._problems.pop(target, None)
            if work is not None and target not in self._done and not self._actions.offline(self._services):
                self._read(target, work, done)
        self.changed.emit()

    def _read(self, target: str, work: Work, done: Callable[[Any], None]) -> None:
        self._stop()
        self.reading = target

        def came(result: Any) -> None:
            if self._job is job:
                self._done.add(target)
                done(result)
                self._ended()

        def failed(error: AppError) -> None:
            if self._job is job:
                self._problems[target] = error
                self._ended()

        job = self._bridge.submit(lambda _report: work(), came, failed)
        self._job = job
        self.changed.emit()

    def _ended(self) -> None:
        self._job, self.reading = None, None
        self.changed.emit()

    def _stop(self) -> None:
        if self._job is not None:
            job, self._job, self.reading = self._job, None, None
            job.cancel()


def _named(offers: tuple[Offer, ...], name: str) -> Offer | None:
    """By its id, or by its file's name."""
    file = f"{name.removesuffix('.gguf')}.gguf"
    by_file = (offer for offer in offers if file in (one.path for one in offer.files))
    return find_offer(offers, name) or next(by_file, None)
