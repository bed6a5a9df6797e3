#!/usr/bin/env python3
"""Set AutoGLM Desktop up where needed, then run it: ``python3 launch.py --help``.

This file has to be readable for older Pythons, so that they can say what is missing.
"""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent


def main() -> int:
    sys.path.insert(0, str(CHECKOUT))
    try:
        if sys.version_info < (3, 10):
            return refuse()
        from autoglm_desktop.launcher.run import run

        return run(CHECKOUT, sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130


def refuse() -> int:
    version = ".".join(str(part) for part in sys.version_info[:3])
    try:
        from autoglm_desktop.launcher.pythons import found_newer, too_old

        sentence = too_old(version, found_newer())
    except SyntaxError:
        sentence = "AutoGLM Desktop needs Python 3.10 or newer; this is " + version + "."
    sys.stderr.write(sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
