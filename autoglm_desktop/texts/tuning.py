"""Settings of the system for people: name, value, what published guides set, and whether it matters here."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.machine import OsInfo
from ..i18n import N_, _

NAMES: dict[str, str] = {
    "open_files": N_("Open files allowed (ulimit -n)"),
    "swappiness": N_("Eagerness to swap (vm.swappiness)"),
    "file_max": N_("Open files of the whole system (fs.file-max)"),
    "somaxconn": N_("Waiting connections (net.core.somaxconn)"),
    "huge_pages": N_("Transparent huge pages"),
    "swap_device": N_("Swap"),
    "io_scheduler": N_("I/O scheduler of the models' disk"),
    "read_ahead_kb": N_("Read-ahead of the models' disk (KiB)"),
    "page_file": N_("Page file"),
    "gpu_scheduling": N_("Hardware-accelerated GPU scheduling"),
}
PUBLISHED: dict[str, str] = {
    "open_files": "65536",
    "swappiness": "10",
    "file_max": "2097152",
    "somaxconn": "65535",
}
"""From guides for servers with many users."""
NOTES: dict[str, str] = {
    "open_files": N_("1024 are enough here."),
    "swappiness": N_("Matters only while swap is in use."),
    "file_max": N_("Matters on servers only."),
    "somaxconn": N_("Matters for many clients at once only."),
    "huge_pages": N_("No setting has to be changed."),
    "swap_device": N_("zram is compressed RAM; a disk is far slower."),
    "io_scheduler": N_("Loading reads in order: no setting has to be changed."),
    "read_ahead_kb": N_("Loading reads in order: no setting has to be changed."),
    "page_file": N_("Leave it on where RAM is tight."),
    "gpu_scheduling": N_("Not needed."),
}
VALUES: dict[str, str] = {
    "none": N_("none"),
    "disk": N_("on disk"),
    "off": N_("off"),
    "on": N_("on"),
    "automatic": N_("managed by Windows"),
    "unlimited": N_("unlimited"),
}


@dataclass(frozen=True)
class Row:
    """``value``: "–" where the system does not tell; ``published``: None where guides name no number."""

    name: str
    value: str
    published: str | None
    note: str


def rows(system: OsInfo) -> tuple[Row, ...]:
    """Every setting that was asked for and is known by name."""
    return tuple(
        Row(_(NAMES[item.name]), _value(item.value), PUBLISHED.get(item.name), _(NOTES[item.name]))
        for item in system.tuning
        if item.name in NAMES
    )


def _value(text: str | None) -> str:
    if text is None:
        return "–"
    return _(VALUES[text]) if text in VALUES else text
