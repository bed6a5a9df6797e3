"""Takes out of a text what tells who and where somebody is, and every secret. Pure.

What is taken out becomes a word in brackets: ``(user)``, ``(host)``, ``(uuid-2)``. The same value is always the same
word, different values are different words, and no word holds a blank, quote, slash or comma: paths, tables, JSON and
XML stay what they are, so that the probes' parsers find in the redacted text what they find in the original one.

Names are harder than patterns. A user may be called ``gpu``, ``model`` or ``a``: such a name (``Identity.ordinary``, or
too short) goes only where it stands for a person: in a home folder, before ``@``, behind ``user=``. All others go
everywhere, as whole words.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .redact_patterns import PATTERNS

_WORDS = """
root user users admin administrator guest nobody default public shared home host localhost localdomain local
test tester dev developer app desktop laptop computer pc server workstation machine system linux ubuntu debian
fedora arch mint suse opensuse windows macos mac wsl docker container runner jenkins ci git python pip conda
cuda nvidia amd intel apple arm gpu cpu ram disk memory model models engine engines llama gguf torch data
cache logs log state tmp var usr etc opt mnt media run proc sys bin lib boot srv none null true false yes no
on off unknown error warning info debug ext4 xfs btrfs overlay tmpfs nfs nfs4 cifs zfs fuse ntfs vfat cgroup
cgroup2 nvme rw ro relatime noatime master autoglm phone filename partition file type size used priority
version driver umd max high current stat swap slice scope sata_ssd hdd passed failed safe_mode not_run
"""
ORDINARY = frozenset(_WORDS.split())
"""Words that name nobody."""
LEAST_LETTERS = 3
WIDE = 0x2E80
"""From here on (CJK): written without blanks between words, and two characters are a whole name."""
HOMES = r"(?:[\\/](?:home|Users|Documents and Settings|media|export[\\/]+home|u)|[\\/]run[\\/]+media)[\\/]+"
NOBODY = frozenset(("shared", "public", "default", "all users", "default user", "root", "user", "linuxbrew"))
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"


@dataclass(frozen=True)
class Identity:
    """Whose machine it is. ``users``: login and full names; ``homes``: home folders; ``hosts``: the machine's names;
    ``secrets``: values of variables that hold one; ``ordinary``: words that a report needs, besides ORDINARY."""

    users: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ordinary: frozenset[str] = frozenset()


class Redactor:
    """Redacts the parts of one report: it remembers which word stands for which value."""

    def __init__(self, identity: Identity) -> None:
        self._words: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._ordinary = ORDINARY | {word.casefold() for word in identity.ordinary}
        users = tuple(_names(identity.users))
        own = next((name for name in users if name.casefold() not in NOBODY), None)
        if own is not None:
            self._word("user", own)
        self._secrets = _any_of(_spellings(found) for found in identity.secrets if self._is_secret(found))
        self._homes = [_home(path) for path in sorted(identity.homes, key=len, reverse=True) if _is_own(path)]
        self._kinds = {name.casefold(): "host" for name in _names(identity.hosts)}
        self._kinds.update({name.casefold(): "user" for name in users})
        self._kinds = {name: kind for name, kind in self._kinds.items() if name != "root"}
        self._names = self._of_names()
        self._placed = self._of_places()

    def redact(self, text: str, *, names: bool = True) -> str:
        """The text without what is private. ``names`` False: by patterns and secrets alone."""
        if self._secrets is not None:
            text = self._secrets.sub(lambda found: self._word("secret", found[0]), text)
        if names:
            text = self._without_homes(text)
            if self._placed is not None:
                text = self._placed.sub(lambda found: found[1] + self._name(found[2]), text)
        for pattern in PATTERNS:
            text = pattern.apply(text, self._word)
        if names and self._names is not None:
            text = self._names.sub(lambda found: self._name(found[0]), text)
        return text

    def _without_homes(self, text: str) -> str:
        for pattern in self._homes:
            text = pattern.sub(lambda found: found[1] + self._name(found[2]), text)
        other = rf"({HOMES})((?:\\0[0-7][0-7]|[^\\/\s\"'`<>()|:;,*?])+)"
        return re.sub(other, self._other_home, text, flags=re.IGNORECASE)

    def _other_home(self, found: re.Match[str]) -> str:
        name = found[2]
        return found[0] if name.casefold() in NOBODY else found[1] + self._name(name)

    def _name(self, name: str) -> str:
        """The word for a name, however it is spelled."""
        plain = _plain(name)
        return self._word(self._kinds.get(plain, "user"), plain)

    def _word(self, kind: str, value: str) -> str:
        key = (kind, _plain(value) if kind in ("user", "host") else value)
        if key not in self._words:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._words[key] = f"({kind})" if count == 1 else f"({kind}-{count})"
        return self._words[key]

    def _of_names(self) -> re.Pattern[str] | None:
        """The names that go everywhere, the longest first."""
        plain = [name for name in self._kinds if not self._is_ordinary(name)]
        return _any_of((_spellings(name) for name in plain), words=True)

    def _of_places(self) -> re.Pattern[str] | None:
        """Every name where it must be one: ``user=NAME``, ``NAME@``, ``@HOST``, ``host: NAME``."""
        names = [spelling for name in self._kinds for spelling in _spellings(name)]
        if not names:
            return None
        name = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
        keys = "user|username|login|owner|logname|host|hostname|node|nodename|domain"
        before = rf"(?:\b(?:{keys})[\"']?\s*[=:]\s*[\"']?|@)"
        # (the start of a shell's prompt, which has nothing before it, is the second way)
        return re.compile(rf"({before}|{_BEFORE}(?=(?:{name})@[^\W\d_]))({name}){_AFTER}", re.IGNORECASE)

    def _is_ordinary(self, name: str) -> bool:
        wide = sum(ord(character) >= WIDE for character in name)
        short = len(name) < (2 if wide else LEAST_LETTERS)
        words = re.findall(r"\w+", name)
        known = name in self._ordinary or all(word in self._ordinary for word in words)
        return short or name.isdecimal() or known

    def _is_secret(self, value: str) -> bool:
        return len(value) >= 6 and value.casefold() not in self._ordinary


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words in texts, in lower case: what ``Identity.ordinary`` is made of."""
    return frozenset(word for text in texts for word in re.findall(r"\w+", text.casefold()))


def _names(names: Iterable[str]) -> Iterable[str]:
    """Names without blanks around them, once each; of a full name its words too, of a host's the part to the dot."""
    seen: set[str] = set()
    for name in names:
        whole = name.strip().strip(".")
        for one in (whole, *re.split(r"\s+", whole), whole.partition(".")[0]):
            if one and one.casefold() not in seen:
                seen.add(one.casefold())
                yield one


def _plain(name: str) -> str:
    """One form of a name: blanks as mountinfo and addresses write them, letters as macOS takes them apart, capitals."""
    return unicodedata.normalize("NFC", unquote(name.replace("\\040", " "))).casefold()


def _spellings(name: str) -> Collection[str]:
    """A name or secret as it is written in paths of macOS, mountinfo, addresses, and JSON in ASCII."""
    forms = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    forms |= {form.replace(" ", "\\040") for form in forms} | {quote(form, safe="") for form in forms}
    return forms | {json.dumps(form)[1:-1] for form in forms}


def _any_of(values: Iterable[Collection[str]], *, words: bool = False) -> re.Pattern[str] | None:
    spellings = sorted({one for spelled in values for one in spelled}, key=len, reverse=True)
    if not spellings:
        return None
    found = [_bounded(one) if words else re.escape(one) for one in spellings]
    return re.compile("|".join(found), re.IGNORECASE if words else 0)


def _bounded(name: str) -> str:
    """As a whole word; between Chinese characters there is no edge to look for."""
    before = _BEFORE if _has_edge(name[0]) else ""
    after = _AFTER if _has_edge(name[-1]) and "%" not in name else ""
    return before + re.escape(name) + after


def _has_edge(character: str) -> bool:
    return character.isalnum() and ord(character) < WIDE


def _components(path: str) -> Sequence[str]:
    return [part for part in re.split(r"[\\/]+", path) if part]


def _is_own(path: str) -> bool:
    """Whether a home folder is somebody's: not ``/``, ``/home`` or root's."""
    parts = _components(path)
    return len(parts) > 1 and parts[-1].casefold() not in NOBODY


def _home(path: str) -> re.Pattern[str]:
    """A home folder: its last component goes, the way there stays."""
    *way, last = ("|".join(re.escape(one) for one in _spellings(part)) for part in _components(path))
    start = "".join(rf"(?:{part})[\\/]+" for part in way)
    return re.compile(rf"((?<![^\s\"'=:(\[,;<>/\\]){start})({last})(?![^\W_]|[.-]\w)", re.IGNORECASE)
