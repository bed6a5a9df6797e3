"""``python -m autoglm_desktop``; in a frozen bundle also the start of engine processes."""

from __future__ import annotations

import sys

from autoglm_desktop.cli import main

if __name__ == "__main__":
    sys.exit(main())
