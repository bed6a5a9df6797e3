"""Repositories of the fake hub: paths and contents, by commit. Any name is allowed, hostile ones too."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

LFS_FROM_BYTES = 100_000
"""Files from this size on have a sha256 in the listing and are redirected, like large files of the real hubs."""


@dataclass(frozen=True)
class HubFile:
    """A file: ``content`` are its bytes, or the file on disk that holds them."""

    path: str
    content: bytes | Path

    @cached_property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @property
    def lfs(self) -> bool:
        return self.size >= LFS_FROM_BYTES

    @cached_property
    def sha256(self) -> str:
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        digest = hashlib.sha256()
        with self.content.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def git_sha1(self) -> str:
        """Git's blob hash; of the LFS pointer for large files, as on the hub."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
        data = text.encode() if self.lfs else self.read(0, self.size)
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sha1

    def read(self, start: int, end: int) -> bytes:
        if isinstance(self.content, bytes):
            return self.content[start:end]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(end - start)


@dataclass
class HubRepo:
    """``commits``: sha and files, the newest last."""

    id: str
    commits: list[tuple[str, dict[str, HubFile]]] = field(default_factory=list)

    def publish(self, files: dict[str, bytes | Path]) -> str:
        """A new commit with exactly ``files``; its sha."""
        made = {path: HubFile(path, content) for path, content in files.items()}
        names = json.dumps([self.id, len(self.commits), [(file.path, file.size) for file in made.values()]])
        sha = hashlib.sha1(names.encode()).hexdigest()
        self.commits.append((sha, made))
        return sha

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, dict[str, HubFile]] | None:
        """The commit and files of a branch (the newest), or of a commit."""
        if revision in ("main", "master", ""):
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)


def make_repo(repo_id: str, commits: dict | list[dict]) -> HubRepo:
    repo = HubRepo(repo_id)
    for files in commits if isinstance(commits, list) else [commits]:
        repo.publish(files)
    return repo


def repos_of(root: Path) -> dict[str, dict[str, Path]]:
    """``root/owner/repo/…`` as repositories."""
    return {
        f"{repo.parent.name}/{repo.name}": {
            path.relative_to(repo).as_posix(): path for path in sorted(repo.rglob("*")) if path.is_file()
        }
        for repo in sorted(root.glob("*/*"))
        if repo.is_dir()
    }
