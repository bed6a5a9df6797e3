"""Fetch one file from fake hubs as the program does; in the test's process or in a child of its own.

``python -m tests.fakes.fake_hub_pull JSON`` prints one line of JSON: what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.repository import RemoteFile
from autoglm_desktop.store.sources.huggingface import HuggingFace
from autoglm_desktop.store.sources.modelscope import ModelScope
from autoglm_desktop.store.transfer.client import Limits, make_client
from autoglm_desktop.store.transfer.fetch import fetch
from autoglm_desktop.store.transfer.values import Fetched, TransferProgress, Wanted

KIB = 1024
LIMITS = Limits(
    connections=4,
    block_bytes=64 * KIB,
    span_blocks=4,
    connect_timeout_s=2.0,
    read_timeout_s=0.5,
    tries=4,
    backoff_s=0.01,
    max_backoff_s=0.05,
    max_retry_after_s=2.0,
    slow_after_s=0.4,
    report_interval_s=0.005,
)


@dataclass(frozen=True)
class Job:
    """``urls``: one hub per source, in their order; ``families``: how each is asked (``huggingface`` where left out).
    ``size`` and hashes are those of the file that is wanted, ``place_hashes`` the sha256 that each source lists."""

    target: Path
    urls: tuple[str, ...]
    repo: str
    commits: tuple[str, ...]
    path: str
    size: int | None
    sha256: str | None
    git_sha1: str | None = None
    families: tuple[str, ...] = ()
    token: str | None = None
    place_hashes: tuple[str | None, ...] = ()
    limits: Limits = LIMITS

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.target, self.size, self.sha256, self.git_sha1, self.commits[0])

    def json(self) -> str:
        return json.dumps(asdict(self) | {"target": str(self.target)})


def job_of(text: str) -> Job:
    found = json.loads(text)
    tuples = {name: tuple(found[name]) for name in ("urls", "commits", "families", "place_hashes")}
    return Job(**found | tuples | {"target": Path(found["target"]), "limits": Limits(**found["limits"])})


def job_for(hubs, repo: str, path: str, target: Path, **more) -> Job:
    """The newest commit of ``hubs[0]``, as its listing says."""
    file = hubs[0].file(repo, path)
    known = hubs[0].hashes
    values = {
        "size": file.size,
        "sha256": file.sha256 if known and file.lfs else None,
        "git_sha1": file.git_sha1 if known and not file.lfs else None,
        "place_hashes": tuple(
            hub.file(repo, path).sha256 if hub.hashes and hub.file(repo, path).lfs else None for hub in hubs
        ),
    }
    commits = tuple(hub.repos[repo].head for hub in hubs)
    return Job(target, tuple(hub.url for hub in hubs), repo, commits, path=path, **values | more)


@dataclass
class Watch:
    """Everything that a transfer reported."""

    seen: list[TransferProgress] = field(default_factory=list)

    def __call__(self, progress: TransferProgress) -> None:
        self.seen.append(progress)

    def never_backwards(self) -> bool:
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return all(b.done_bytes >= a.done_bytes or b.restarts > a.restarts for a, b in pairs)

    @property
    def notices(self) -> set[str]:
        return {one.notice.code for one in self.seen if one.notice is not None}


def place(client, job: Job, index: int):
    """The file at the source of that index, which is called ``hub0``, ``hub1`` …"""
    family = job.families[index] if job.families else "huggingface"
    kind = {"huggingface": HuggingFace, "modelscope": ModelScope}[family]
    source = kind(client, f"hub{index}", job.urls[index], job.token, job.limits)
    file = RemoteFile(job.path, job.size, job.place_hashes[index], job.git_sha1)
    return source.place(job.repo, job.commits[index], file)


async def pull(job: Job, watch=lambda _progress: None) -> Fetched:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(make_client(job.limits))
        places = [place(client, job, index) for index in range(len(job.urls))]
        return await fetch(job.wanted, places, watch, job.limits)


def main() -> int:
    job = job_of(sys.argv[1])
    try:
        found = asyncio.run(pull(job))
    except AppError as error:
        from autoglm_desktop.texts.errors import text

        print(json.dumps({"error": error.code, "text": text(error)}), flush=True)
        return 1
    print(json.dumps(asdict(found)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
