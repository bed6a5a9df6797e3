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


def engine_environment(base: Mapping[str, str] | None = None, python: Path | None = None) -> dict[str, str]:
    """Environment variables of an engine: the user's without keys and tokens, hubs offline, no gdb on aborts.
    ``python``: the environment's, whose packages may hold the CUDA runtime."""
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
    libraries = cuda_folders(python) if python is not None and sys.platform.startswith("linux") else []
    if libraries:
        already = found.get("LD_LIBRARY_PATH")
        found["LD_LIBRARY_PATH"] = os.pathsep.join([*map(str, libraries), *([already] if already else [])])
    found.update(GGML_NO_BACKTRACE="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", PYTHONUTF8="1")
    return found


def cuda_folders(python: Path) -> list[Path]:
    """Where NVIDIA's packages for Linux put the CUDA runtime, cuBLAS and what that needs: ``nvidia/cu13/lib``, or for
    CUDA 12 a folder for each. llama.cpp's published builds don't look there by themselves."""
    return sorted(python.parent.parent.glob("lib/python3*/site-packages/nvidia/*/lib"))
