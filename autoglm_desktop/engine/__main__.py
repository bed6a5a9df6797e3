"""Start of the engine process.

``host.environments`` runs this file by path under an engine environment's Python. Only ``autoglm_desktop`` itself
is made importable from where this file lies, so nothing of the application's environment leaks in.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _make_package_importable() -> None:
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        "autoglm_desktop", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["autoglm_desktop"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    if "autoglm_desktop" not in sys.modules:
        _make_package_importable()
    from autoglm_desktop.engine.server import main, run

    if len(sys.argv) > 1:  # tests alone: the application passes no argument
        from autoglm_desktop.engine.faults import open_channel

        sys.exit(run(open_channel(sys.argv[1:])))
    sys.exit(main())
