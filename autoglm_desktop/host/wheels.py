"""What pip would download comes through ``store.transfer``: resumed, verified, kept until it is installed.

pip resolves (``--dry-run --report``): it knows its settings, markers and tags, and what a package needs; a finder such
as unearth knows one package's link, but not what that needs, and would bring a second HTTP library. Where pip needs
a large file itself to go on (a source archive, an index without separate metadata, pip before 25.3), it is stopped,
the file is fetched, and pip is asked again with a small index of the files that lie here: of the same file at several
indexes it takes the last one's. Needs no experimental option.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import index_login, install_run
from .install_run import DROP, KEEP, STOP
from .pip_output import (
    Artifact,
    LeaveToPip,
    Report,
    about_pages,
    artifacts,
    found_link,
    loads,
    parse_line,
)

if TYPE_CHECKING:
    from ..store.transfer.client import Limits

LARGE_BYTES = 5_000_000
MAX_ROUNDS = 100
SOURCES = (".tar.gz", ".zip")
Room = Callable[[int], None]


class Unresolved(Exception):
    """pip could not say what it would install. ``lines``: its output."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("pip could not resolve")
        self.lines = list(lines)


@dataclass(frozen=True)
class Wheels:
    """Brings what one environment (``engine``) needs into ``folder``.

    ``pip``: the command line for pip without ``--python``; ``python``: the environment's; ``addresses``: indexes that
    pip's settings don't name; ``room`` is told how many bytes will come, and raises where they have no room.
    """

    engine: str
    pip: Sequence[str]
    python: Path
    folder: Path
    log_file: Path
    report: Report
    room: Room
    addresses: tuple[str, ...] = field(default=(), repr=False)
    limits: Limits | None = None

    async def gather(
        self, options: Sequence[str], packages: Sequence[str], settings: Mapping[str, str]
    ) -> list[str]:
        """pip's arguments that install ``packages`` from what lies here now.

        Raises Unresolved, LeaveToPip, EngineError(engine_no_network), AppError (download_corrupt, disk_full …).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        known: dict[str, list[Artifact]] = {}
        for _round in range(MAX_ROUNDS):
            asked = await self._resolve([*options, *packages], settings, known)
            if asked is None:
                return await self._install_arguments(options, known)
            chosen = chosen_link(asked, known)
            if chosen is None or (self.folder / chosen.file_name).exists():
                raise LeaveToPip(f"pip loads {install_run.without_secrets(asked)} all the same")
            if await self._fetch([chosen], known):
                raise LeaveToPip(f"the size of {chosen.file_name} is not known")
        raise LeaveToPip("too many files")

    async def _resolve(
        self, arguments: Sequence[str], settings: Mapping[str, str], known: dict[str, list[Artifact]]
    ) -> str | None:
        """None where the report is written, else the large file that pip began to load. Raises Unresolved."""
        asked: list[str] = []

        def look(line: str) -> str:
            link = found_link(line)
            if link is not None and link not in known.setdefault(link.file_name, []):
                known[link.file_name].append(link)
            if about_pages(line):
                return DROP
            large = loads(line, LARGE_BYTES)
            if large is not None:
                asked.append(large)
                return STOP
            progress = parse_line(line)
            if progress is not None and progress.fraction is None:
                self.report(progress)
            return KEEP if progress is None or progress.fraction is None else DROP

        scratch = self.folder / "tmp"  # a stopped pip clears nothing away
        scratch.mkdir(exist_ok=True)
        places = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch))
        resolve = ["-v", "--dry-run", "--report", str(self._report_file)]
        command = [*self.pip, "--python", str(self.python), *arguments, *self.at_hand(), *resolve]
        try:
            self._report_file.unlink(missing_ok=True)
            ended = await install_run.run(command, {**settings, **places}, self.log_file, look)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if ended.stopped:
            return asked[0]
        if ended.status:
            raise Unresolved(ended.lines)
        return None

    @property
    def _report_file(self) -> Path:
        return self.folder / "report.json"

    async def _install_arguments(
        self, options: Sequence[str], known: Mapping[str, Sequence[Artifact]]
    ) -> list[str]:
        try:
            chosen = artifacts(json.loads(self._report_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LeaveToPip(f"its report cannot be read: {error!r}") from error
        left = await self._fetch([a for a in chosen if a.path is None and a.wheel], known)
        # pip looks a source archive up among the wheels that it has built only where it is asked for by name.
        by_name = [a.requirement for a in chosen if not a.wheel or a in left]
        files = [str(a.path or self.folder / a.file_name) for a in chosen if a.wheel and a not in left]
        where = self.at_hand() if by_name else ["--no-index"]
        return [*options, *where, "--no-deps", *files, *by_name]

    def at_hand(self) -> list[str]:
        """pip's arguments that let it find what lies in the folder before the same elsewhere."""
        simple = self.folder / "simple"
        shutil.rmtree(simple, ignore_errors=True)
        pages: dict[str, list[str]] = {}
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith((".whl", *SOURCES)):
                link = f'<a href="{path.as_uri()}">{html.escape(path.name)}</a><br>'
                pages.setdefault(project_of(path.name), []).append(link)
        for project, links in pages.items():
            page = simple / project / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(
                "<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>", encoding="utf-8"
            )
        return ["--extra-index-url", simple.as_uri()] if pages else []

    async def _fetch(
        self, wanted: Sequence[Artifact], known: Mapping[str, Sequence[Artifact]]
    ) -> list[Artifact]:
        """Fetch files; returns those whose size nobody says. Raises LeaveToPip, EngineError, AppError."""
        if not wanted:
            return []
        from ..store.transfer.client import Limits
        from .wheel_files import Files

        addresses = [*self.addresses, *await index_login.addresses(self.pip)]
        logins = index_login.Logins(addresses)
        files = Files(self.engine, self.folder, logins, self.report, self.room, self.limits or Limits())
        return await files.fetch(wanted, {a.url: same_elsewhere(a, known) for a in wanted})

    def clear(self, *, keep_sources: bool) -> None:
        """Everything is installed. Source archives stay where ``keep_sources``: pip keeps the wheel that it has built
        under the archive's address, and needs no second build while it lies there."""
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif not (keep_sources and path.name.endswith(SOURCES)):
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what stays keeps it
            self.folder.rmdir()


def project_of(file_name: str) -> str:
    """The project of a wheel or source archive, as an index spells it."""
    name = file_name.partition("-")[0] if file_name.endswith(".whl") else file_name.rpartition("-")[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def chosen_link(asked: str, known: Mapping[str, Sequence[Artifact]]) -> Artifact | None:
    """The link that pip means by ``asked``: an address (pip before 26), or a file's name. None where several indexes
    have different files of that name."""
    name = Artifact(asked, None).file_name
    found = [link for link in known.get(name, ()) if link.path is None]
    exact = next((link for link in found if link.url == asked), None)
    if exact is not None:
        return exact
    if len({link.sha256 for link in found} - {None}) > 1:
        return None
    return min(found, key=lambda link: link.sha256 is None, default=None)


def same_elsewhere(artifact: Artifact, known: Mapping[str, Sequence[Artifact]]) -> list[Artifact]:
    """The same file at other indexes: same name, same sha256."""
    if artifact.sha256 is None:
        return []
    others = known.get(artifact.file_name, ())
    return [a for a in others if a.sha256 == artifact.sha256 and a.url != artifact.url and a.path is None]
