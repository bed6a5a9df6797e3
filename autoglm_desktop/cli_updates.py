"""``autoglm-desktop models --check-updates``: whether what was downloaded has changed at its source."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from .i18n import _
from .texts import errors
from .texts.values import labelled
from .usecases.services import create_services
from .usecases.updates import Update, check_updates


async def run(options: argparse.Namespace) -> int:
    """The command. 1 where no source could be asked."""
    services = create_services()
    try:
        found = await check_updates(services)
    finally:
        await services.web.close()
    if options.json:
        print(json.dumps(document(found), ensure_ascii=False))
    elif not found:
        print(_("Nothing on this machine was fetched with this program yet."))
    else:
        for update in found:
            print(labelled(update.repo, state_of(update)))
    return 1 if found and all(update.error is not None for update in found) else 0


def state_of(update: Update) -> str:
    """What is known of a repository, as a sentence."""
    if update.error is not None:
        return errors.text(update.error)
    if update.newest_commit is None:
        return _("The source does not say which version it has.")
    if update.newest_commit == update.have_commit:
        return _("Up to date.")
    return _("The repository has changed since; pull it again: only what is different is fetched.")


def document(found: Sequence[Update]) -> dict[str, Any]:
    """The document of ``models --check-updates --json``."""
    return {
        "schema": 1,
        "updates": [
            {
                "repo": update.repo,
                "folder": str(update.folder),
                "have_commit": update.have_commit,
                "newest_commit": update.newest_commit,
                "error": None
                if update.error is None
                else {"code": update.error.code, "text": errors.text(update.error)},
            }
            for update in found
        ],
    }
