"""``autoglm-desktop doctor [--output FILE]``: a report for whoever helps, without what is private."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from .i18n import _
from .texts import doctor as texts
from .usecases.doctor import gather, write_report
from .usecases.services import create_services


async def run(options: argparse.Namespace) -> int:
    """The command. Raises AppError (report_in_the_way, file_unwritable)."""
    findings = await gather(create_services())
    text = await asyncio.to_thread(texts.report_text, findings)
    if options.output is None:
        print(text, end="")
        return 0
    path = Path(options.output)
    write_report(path, text)
    print(_("The report is in {path}. Look through it before you send it.").format(path=path))
    return 0
