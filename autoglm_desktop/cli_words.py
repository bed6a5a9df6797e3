"""argparse's own sentences in the user's language.

argparse asks gettext's global domain, which this program does not set up (translations are read by ``po``); its two
functions are replaced instead. The strings are listed here so that they are extracted.
"""

from __future__ import annotations

import argparse

from .i18n import N_, _, ngettext

ARGPARSE = (
    N_("usage: "),
    N_("positional arguments"),
    N_("options"),
    N_("show this help message and exit"),
    N_("show program's version number and exit"),
    N_("%(prog)s: error: %(message)s\n"),
    N_("argument %(argument_name)s: %(message)s"),
    N_("the following arguments are required: %s"),
    N_("unrecognized arguments: %s"),
    N_("expected one argument"),
    N_("invalid choice: %(value)r (choose from %(choices)s)"),
    N_("invalid %(type)s value: %(value)r"),
)


def translate() -> None:
    """Let argparse speak through this program's catalogue."""
    setattr(argparse, "_", _)  # noqa: B010 - its stub does not name them
    setattr(argparse, "ngettext", ngettext)  # noqa: B010
