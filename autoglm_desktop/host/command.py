"""The one place that knows how an engine process is started: checkout, wheel and frozen bundle alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..store import paths

ENTRY = paths.PACKAGE / "engine" / "__main__.py"
FROZEN_FLAG = "--engine-process"


def engine_command(python: Path) -> list[str]:
    """Command line of an engine under ``python``. Isolated (-I): no PYTHONPATH, no user site, no script folder."""
    if getattr(sys, "frozen", False) and python == Path(sys.executable):
        return [str(python), FROZEN_FLAG]
    return [str(python), "-I", "-u", "-X", "utf8", str(ENTRY)]


def engine_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables of an engine: the user's without keys and tokens, hubs offline, no gdb on aborts."""
    source = os.environ if base is None else base
    secret = (
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "AUTOGLM_API_KEY",
        "MODELSCOPE_API_TOKEN",
        "OPENAI_API_KEY",
    )
    found = {key: value for key, value in source.items() if key not in secret}
    found.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # NVML's order, which the probes number cards by
    found.update(GGML_NO_BACKTRACE="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", PYTHONUTF8="1")
    return found
