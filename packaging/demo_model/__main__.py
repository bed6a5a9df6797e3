"""``python packaging/demo_model``: by the folder's path, as ``packaging`` is the name of an installed package, too."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
sys.path.insert(1, str(HERE.parent.parent))

from demo_model.pipeline import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
