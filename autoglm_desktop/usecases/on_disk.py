"""What can be done with models that lie on this machine: verify, delete, move, import, how much they take.

All are coroutines; ``report`` gets ``DiskProgress`` on the loop, at most five times a second.
"""

from __future__ import annotations

from .disk_import import Imported, import_path
from .disk_move import Moved, move_models
from .disk_remove import Removal, removal, remove
from .disk_run import DiskProgress, Report
from .disk_targets import OnDisk, locate
from .disk_use import DiskUse, disk_use
from .disk_verify import STATUSES, Verified, VerifiedFile, verify

__all__ = [
    "STATUSES",
    "DiskProgress",
    "DiskUse",
    "Imported",
    "Moved",
    "OnDisk",
    "Removal",
    "Report",
    "Verified",
    "VerifiedFile",
    "disk_use",
    "import_path",
    "locate",
    "move_models",
    "removal",
    "remove",
    "verify",
]
