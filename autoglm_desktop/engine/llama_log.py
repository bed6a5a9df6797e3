"""The one log of llama.cpp, ggml and mtmd in this process, and starting llama.cpp's backends."""

from __future__ import annotations

import ctypes

import llama_cpp.llama_cpp as native

from .native_log import NativeLog

log = NativeLog()
_started = False


def _on_log(level: int, text: bytes | None, _data: object) -> None:
    log.feed(level, (text or b"").decode("utf-8", "replace"))


callback = native.llama_log_callback(_on_log)


def initialise() -> None:
    """Start llama.cpp's backends once per process."""
    global _started
    if not _started:
        native.llama_log_set(callback, ctypes.c_void_p(0))
        native.llama_backend_init()
        _started = True
