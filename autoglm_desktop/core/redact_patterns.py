"""What gives itself away by its form: addresses, identifiers, serial numbers, tokens. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

Word = Callable[[str, str], str]
"""(kind, value) to the word that stands for it."""
Decide = Callable[["re.Match[str]", str], bool]
LEAST_HEX = 32
LEAST_MIXED = 28
HARMLESS = ("127.", "0.0.0.0", "255.255.255.")


@dataclass(frozen=True)
class Pattern:
    """``kind`` takes the place of the group ``it`` (the whole match where there is none), if ``when`` says so."""

    kind: str
    pattern: re.Pattern[str]
    when: Decide | None = None

    def apply(self, text: str, word: Word) -> str:
        def change(found: re.Match[str]) -> str:
            group = "it" if "it" in self.pattern.groupindex else 0
            value = found[group]
            if not value or value.startswith("(") or (self.when is not None and not self.when(found, text)):
                return found[0]
            start, end = found.start(group) - found.start(), found.end(group) - found.start()
            return found[0][:start] + word(self.kind, value) + found[0][end:]

        return self.pattern.sub(change, text)


def _before(found: re.Match[str], text: str, length: int = 16) -> str:
    return text[max(0, found.start() - length) : found.start()].lower()


def _no_version(found: re.Match[str], text: str) -> bool:
    """Four numbers are an address unless they are told to be a version, or every machine has that address."""
    before = _before(found, text)
    versions = re.search(r"(version|driver|build|release|==|>=|firmware|bios)\W{0,5}$", before)
    valid = all(int(part) < 256 and str(int(part)) == part for part in found[0].split("."))
    return valid and versions is None and not found[0].startswith(HARMLESS)


def _is_ipv6(found: re.Match[str], _text: str) -> bool:
    if not re.search(r"\d", found[0]):  # ``a::b`` is a name in a program
        return False
    try:
        address = ipaddress.IPv6Address(found[0].partition("%")[0])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _no_checksum(found: re.Match[str], text: str) -> bool:
    """A hash or commit that is told to be one names a public file and is needed to find out which."""
    told = r"(sha-?\d{1,3}|md5|etag|commit|revision|snapshots|resolve|blobs)\W{0,4}$"
    return not re.search(told, _before(found, text))


def _is_random(found: re.Match[str], text: str) -> bool:
    """Letters of both kinds and digits mixed, without a break: no name of a file, card or function looks like that."""
    if found[0].startswith("_Z"):  # a function of C++
        return False
    for part in re.split(r"[-_]", found[0]):
        kinds = (r"[a-z]", r"[A-Z]", r"\d.*\d")
        if len(part) >= 16 and all(re.search(kind, part) for kind in kinds):
            return _no_checksum(found, text)
    return False


def _no_number(found: re.Match[str], _text: str) -> bool:
    """``token: 12`` counts tokens; a password may be a number."""
    if re.search(r"pass|secret|key", found[0][: found.start("it") - found.start()], re.IGNORECASE):
        return True
    return not re.fullmatch(r"[\d.,:]+|null|none|true|false|not|unknown", found["it"], re.IGNORECASE)


def _no_unit(found: re.Match[str], _text: str) -> bool:
    """systemd's ``user@1000.service`` is no address."""
    return not re.search(r"\.(service|slice|scope|socket|mount|timer|target|device)$", found[0])


def _is_person(found: re.Match[str], _text: str) -> bool:
    """Of a mount's options."""
    return found["it"].casefold() not in ("root", "none", "null", "true", "false")


def _of(kind: str, pattern: str, when: Decide | None = None) -> Pattern:
    return Pattern(kind, re.compile(pattern, re.IGNORECASE), when)


_PAIR = "[0-9a-f]{2}"
PATTERNS = (
    _of("secret", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<it>[\s\S]*?)(?:-----END|\Z)"),
    _of(
        "secret",
        r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://(?P<it>[^\s/@\"'<>]{1,300}(?:/[^\s@/\"'<>]{0,300})?)@",
    ),
    _of("query", r"\bhttps?://[^\s\"'<>?]+\?(?P<it>[^\s\"'<>]+)"),
    _of("secret", r"\b(?:bearer|basic|digest)\s+(?P<it>[A-Za-z0-9._~+/=-]{6,})", _no_number),
    _of(
        "secret",
        r"(?<![a-z])(?:access|auth|refresh|session|client)?(?:token|secret|password|passwd|passphrase|api[_-]?key|access[_-]?key|"
        r"authorization|credentials?|cookie|set-cookie)[\"']?\s*[=:]\s*[\"']?"
        r"(?!(?:bearer|basic|digest)\b)(?P<it>[^\s\"',;&<>]{3,})",
        _no_number,
    ),
    _of(
        "secret",
        r"(?<![\w-])--?(?:\w{1,20}-)?(?:token|secret|password|api-?key)\s+(?P<it>[^\s\"',;<>-][^\s\"',;<>]{2,})",
    ),
    _of("secret", r"\b(?:hf|api_org)_[A-Za-z0-9]{6,}"),
    _of("secret", r"\b(?:sk|pk|rk|ms|glpat|xox[abprs])-[A-Za-z0-9_-]{8,}"),
    _of(
        "secret", r"\b(?:gh[opusr]_|github_pat_|dckr_pat_|AKIA|ASIA|AIza|ya29\.|npm_|pypi-)[A-Za-z0-9_-]{12,}"
    ),
    _of("secret", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),
    _of("email", r"(?<![\w.+%-])[\w.+%-]+@(?:[\w-]+\.)+[^\W\d_]{2,}(?![\w-])", _no_unit),
    _of("user", r"\b(?:username|user|domain)=(?P<it>[^\s,;\"'()]+)", _is_person),
    _of("uuid", r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])"),
    _of("sid", r"\bS-1-5-21(?:-\d+){3,4}\b"),
    _of("mac", rf"(?<![\w:.-]){_PAIR}(?:(?::{_PAIR}){{5,19}}|(?:-{_PAIR}){{5,7}})(?![\w:.-])"),
    _of("ip", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", _no_version),
    _of("ip", r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:%\w+)?(?![\w:])", _is_ipv6),
    _of("serial", r"/by-(?:id|label|partlabel)/(?P<it>[^\s\"'<>/,;]+)"),
    _of("serial", r"\b(?:eui\.|naa\.|wwn-0x|nvme\.)(?P<it>[0-9a-f]{8,}[0-9a-f-]*)"),
    _of("serial", r"<key>[^<]*(?:serial|asset)[^<]*</key>\s*<string>(?P<it>[^<]+)</string>"),
    _of(
        "serial",
        r"(?:\bS/N|serial(?:[ _-]?(?:no|number|num|short))?\.?|[a-z0-9]_serial\w*|\basset[ _-]?tag|[a-z0-9]_asset_tag)"
        r"[\"']?[ \t]*[=:][ \t]*[\"']?(?P<it>[^\s\"',;<>][^\n\"',;<>]*)",
    ),
    _of("secret", rf"(?<![0-9a-z])[0-9a-f]{{{LEAST_HEX},}}(?![0-9a-z])", _no_checksum),
    _of("secret", rf"(?<![\w+-])[A-Za-z0-9+_-]{{{LEAST_MIXED},}}={{0,2}}(?![\w+])", _is_random),
)
"""In this order: what is whole goes before what it is made of."""
