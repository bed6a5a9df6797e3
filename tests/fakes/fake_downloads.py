"""made_: a queue of downloads and what else the Models page asks for, for tests and pictures of the window."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

from autoglm_desktop.core.downloads import (
    Copy,
    DownloadItem,
    DownloadsState,
    FileProgress,
    PullPlan,
    PullProgress,
    PullRequest,
)
from autoglm_desktop.core.errors import TransferError
from autoglm_desktop.core.repository import RemoteFile, make_listing, offers
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.gui.models.actions import Actions
from autoglm_desktop.store import gguf
from autoglm_desktop.store.headers import Cached
from autoglm_desktop.usecases import on_disk, opening
from autoglm_desktop.usecases.updates import Update

DiskUse = namedtuple("DiskUse", "folder models_bytes partial_bytes free_bytes")


def made_update(repo, newest, error=None):
    """``made_``: what a check for updates found; commit ``a`` is here."""
    return Update(
        repo, Path("/made"), "huggingface", "a" * 40, newest and newest * 40, error, (f"{repo}:Q4_K_M",)
    )


class FakeQueue:
    """Records what is asked of it; ``show`` (from any thread) gives it a state."""

    def __init__(self, state=None):
        self.asked = []
        self.refuse = None
        self._state = state or DownloadsState()
        self._loop = None
        self._news = None

    def show(self, *items):
        self._state = DownloadsState(items)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._news.put_nowait, self._state)

    async def watch(self):
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Queue()
        yield self._state
        while True:
            yield await self._news.get()

    async def add(self, request: PullRequest) -> str:
        if self.refuse is not None:
            raise self.refuse
        self.asked.append(("add", request.target, request.source))
        return "new"

    async def pause_all(self):
        self.asked.append(("pause_all",))

    def __getattr__(self, name):
        if name not in ("pause", "resume", "cancel", "retry", "dismiss"):
            raise AttributeError(name)

        async def note(item_id):
            self.asked.append((name, item_id))

        return note


def made_item(state="running", item_id="1", **more):
    """``made_``: AutoGLM-Phone-9B Q4_K_M, 3.1 of 7.4 GiB."""
    values = {
        "id": item_id,
        "request": PullRequest("autoglm-phone-9b:Q4_K_M"),
        "state": state,
        "title": "AutoGLM-Phone-9B",
        "variant": "Q4_K_M",
        "done_bytes": int(3.1 * GIB),
        "total_bytes": int(7.4 * GIB),
    }
    return DownloadItem(**{**values, **more})


def made_progress(**more):
    files = (
        FileProgress("AutoGLM-Phone-9B-mmproj.gguf", "done", int(1.7 * GIB), int(1.7 * GIB), ("modelscope",)),
        FileProgress(
            "AutoGLM-Phone-9B-Q4_K_M.gguf",
            "fetch",
            int(1.4 * GIB),
            int(5.7 * GIB),
            ("huggingface", "modelscope"),
        ),
    )
    values = {
        "stage": "fetch",
        "done_bytes": int(3.1 * GIB),
        "total_bytes": int(7.4 * GIB),
        "rate": 12.3e6,
        "time_left_s": 372.0,
        "files": files,
        "sources": ("huggingface", "modelscope"),
    }
    return PullProgress(**{**values, **more})


def made_plan(folder: Path, *names: str, request=None):
    files = tuple(RemoteFile(name, None) for name in names)
    copy = Copy("huggingface", "made/AutoGLM-Phone-9B-GGUF", "c" * 40, files)
    request = request or PullRequest("autoglm-phone-9b:Q4_K_M")
    return PullPlan(
        request, "AutoGLM-Phone-9B", "made/AutoGLM-Phone-9B-GGUF", "Q4_K_M", "c" * 40, folder, files,
        (copy,), None, None,
    )  # fmt: skip


def made_listing(repo="made/Some-Model-9B-GGUF", source="huggingface"):
    names = ("Q2_K", "Q4_K_M", "Q5_K_M", "Q8_0")
    entries = [
        RemoteFile(f"Some-Model-9B.{name}.gguf", int(size * GIB))
        for name, size in zip(names, (3.7, 5.7, 6.6, 9.4), strict=True)
    ]
    entries += [RemoteFile("mmproj-F16.gguf", 1700 * MIB), RemoteFile("README.md", 4000)]
    entries += [
        RemoteFile("pytorch_model.bin", 9 * GIB),
        RemoteFile("../outside.gguf", 10),
        RemoteFile("CON.gguf", 9),
    ]
    return make_listing(source, repo, "c" * 40, entries)


class FakeActions:
    """Builds an Actions whose answers are set here; ``asked`` records."""

    def __init__(self, home: Path):
        self.asked = []
        self.home = home
        self.listing = made_listing()
        self.refusal = None
        self.tokens = {}
        self.keeps = "run"
        self.source = "auto"
        self.update_list = ()
        self.header_refusal = None
        self.header_gate = None
        self.header_file = None
        self.is_offline = False

    def actions(self) -> Actions:
        return Actions(
            offers=self.offers,
            open_variant=self.open_variant,
            open_repository=self.open_repository,
            open_offer=self.open_offer,
            offline=lambda _services: self.is_offline,
            updates=self.updates,
            verify=self.verify,
            move_models=self.move,
            import_path=self.bring,
            disk_use=self.disk_use,
            chosen_source=lambda _services: self.source,
            choose_source=lambda _services, source: self.asked.append(("source", source)),
            token_where=lambda _services, name: self.tokens.get(name),
            set_token=self.set_token,
            forget_token=lambda _services, name: self.tokens.pop(name, None),
        )

    async def offers(self, services, repo, source):
        self.asked.append(("offers", repo, source))
        if self.refusal is not None:
            raise self.refusal
        listing = replace(self.listing, repo=repo)
        return listing, offers(listing)

    async def open_variant(self, services, check, model, variant, source):
        """Keeps the header of ``header_file``; waits for ``header_gate`` before."""
        await self.header(f"{model}:{variant}", source)
        if self.header_file is not None:
            form = services.library.catalog.model(model).variant(variant)
            keep_header(services, form.sources[0].repo, variant, self.header_file)

    async def open_repository(self, services, check, listing, found, fetch):
        self.asked.append(("judge", listing.repo, fetch))
        if self.header_file is not None and fetch:
            keep_header(services, listing.repo, "Q4_K_M", self.header_file, found)
        return await opening.open_repository(services, check, listing, found, fetch=False)

    async def open_offer(self, services, check, listing, found, offer):
        await self.header(f"{listing.repo}:{offer.id}", listing.source)
        if self.header_file is not None:
            keep_header(services, listing.repo, offer.id, self.header_file, found)
        return await opening.open_repository(services, check, listing, found, fetch=False)

    async def header(self, target, source):
        self.asked.append(("header", target, source))
        try:
            if self.header_gate is not None:
                await self.header_gate()
        except asyncio.CancelledError:
            self.asked.append(("left", target))
            raise
        if self.header_refusal is not None:
            raise self.header_refusal

    async def updates(self, services):
        return self.update_list

    async def verify(self, services, path, report):
        self.asked.append(("verify", path))
        if self.refusal is not None:
            raise self.refusal
        return on_disk.Verified(str(path), (on_disk.VerifiedFile(path, "ok", 1, 1, "sha256"),))

    async def move(self, services, folder, report):
        self.asked.append(("move", folder))

    async def bring(self, services, path, copy, report):
        self.asked.append(("import", path, copy))
        return await on_disk.import_path(services, path, copy, report)

    async def disk_use(self, services):
        return DiskUse(services.library.models, int(9.4 * GIB), int(3.1 * GIB), int(211 * GIB))

    def set_token(self, services, name, token):
        self.tokens[name] = self.keeps
        self.asked.append(("token", name, token))
        return self.keeps


def keep_header(services, repo, variant, path, found=()):
    """Put the header of a made file into the cache, as if it were a variant's."""
    header = gguf.read_header(path)
    names = [offer.files[0].path for offer in found if offer.id == variant]
    entry = Cached(
        repo, names[0] if names else path.name, "c" * 40, variant, header.file_size, header.data_offset, 1.0
    )
    services.headers.add(entry, path.read_bytes()[: header.data_offset])


GATED = TransferError(
    "download_gated_no_token", source="huggingface", repo="made/gated-model",
    address="https://huggingface.co/made/gated-model", tokens="https://huggingface.co/settings/tokens",
    variable="HF_TOKEN",
)  # fmt: skip
