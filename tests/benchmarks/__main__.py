"""Run benchmarks by name (default: all) and write the figures into docs/measured.md."""

import argparse
import datetime
import importlib
import platform
import re
import sys
from pathlib import Path

import psutil

from autoglm_desktop.core.units import format_bytes
from autoglm_desktop.probe.cpu import probe_cpu

NAMES = (
    "setup", "startup", "check", "download", "token_overhead", "grammar", "load", "memory", "planner", "agreement",
    "quantised_bytes", "prompt_cache", "failures", "conversations", "chat_kills", "engine_options", "transcript",
    "service", "batching", "demo", "gpu",
)  # fmt: skip
MEASURED = Path(__file__).resolve().parents[2] / "docs" / "measured.md"


def machine() -> str:
    return (
        f"{probe_cpu().name}, {psutil.cpu_count()} logical cores, {format_bytes(psutil.virtual_memory().total)} RAM, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def write(name: str, lines: list[str]) -> None:
    """Replace the benchmark's section in docs/measured.md."""
    head = f"## {name}"
    section = "\n".join(
        [
            head,
            "",
            f"{datetime.date.today().isoformat()} · {machine()} · `python3 launch.py benchmarks {name}`",
            "",
            *lines,
            "",
        ]
    )
    text = MEASURED.read_text(encoding="utf-8") if MEASURED.is_file() else "# Measured\n"
    pattern = re.compile(rf"^{re.escape(head)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    text = (
        pattern.sub(lambda _match: section + "\n", text) if pattern.search(text) else f"{text}\n{section}\n"
    )
    MEASURED.write_text(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in options.names or NAMES:
        lines = importlib.import_module(f"tests.benchmarks.{name}").measure()
        print("\n".join([f"## {name}", *lines, ""]), flush=True)
        if not options.no_write:
            write(name, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
