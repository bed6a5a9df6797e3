"""``python -m autoglm_desktop``; in a frozen bundle also the start of engine processes."""

from __future__ import annotations

import sys

from autoglm_desktop.host.command import FROZEN_FLAG

if __name__ == "__main__":
    if sys.argv[1:2] == [FROZEN_FLAG]:
        from autoglm_desktop.engine.server import main
    else:
        from autoglm_desktop.cli import main
    sys.exit(main())
