"""Bounded reading of the numbers and strings of a GGUF header. Every length is checked before it is used."""

from __future__ import annotations

import struct
from typing import BinaryIO, NoReturn, cast

from ..core.errors import TargetError
from ..core.gguf_types import SCALAR_FORMATS, ValueType

WINDOW = 1 << 20  # bytes read at a time
MAX_KEPT = 64 << 20  # bytes of strings and arrays kept in all


class Cursor:
    """A position in a file of ``size`` bytes, of which ``file`` may hold only the beginning."""

    def __init__(self, file: BinaryIO, size: int, path: str) -> None:
        self.size = size
        self._file, self._path = file, path
        self._window, self._base, self._at = b"", 0, 0  # self._at counts within the window
        self._kept = 0

    @property
    def position(self) -> int:
        return self._base + self._at

    def fail(self, code: str, detail: str) -> NoReturn:
        raise TargetError(code, path=self._path, detail=detail)

    def take(self, count: int) -> bytes:
        if len(self._window) - self._at < count:
            self._fill(count)
        start = self._at
        self._at += count
        return self._window[start : self._at]

    def skip(self, count: int) -> None:
        self.require(count, "data")
        self._at += count

    def skip_strings(self, count: int) -> None:
        """Passes over an array of strings, looking only at their lengths."""
        unpack = struct.Struct("<Q").unpack_from
        while count:
            if len(self._window) - self._at < 8:
                self._fill(8)
            window, at, last = self._window, self._at, len(self._window) - 8
            while count and at <= last:
                at += 8 + unpack(window, at)[0]
                count -= 1
            self._at = at
            self.require(0, "a string")

    def number(self, kind: ValueType) -> int:
        """An integer of the given type."""
        return cast(int, self.scalar(kind))

    def scalar(self, kind: ValueType) -> int | float | bool:
        form = struct.Struct(SCALAR_FORMATS[kind])
        return cast("int | float | bool", form.unpack(self.take(form.size))[0])

    def string(self, limit: int, what: str) -> bytes:
        """A string of at most ``limit`` bytes, which the caller keeps."""
        length = self.number(ValueType.UINT64)
        self.require(length, what)
        if length > limit:
            self.fail("gguf_damaged", f"{what}: {length} bytes, at most {limit} make sense")
        self.keep(length + 64)
        return self.take(length)

    def require(self, count: int, what: str) -> None:
        """Truncated unless ``count`` more bytes are there."""
        if count > self.size - self.position:
            self.fail("gguf_truncated", f"{what}: {count} bytes wanted at {self.position} of {self.size}")

    def keep(self, count: int) -> None:
        """Counts bytes of memory that the header will hold."""
        self._kept += count
        if self._kept > MAX_KEPT:
            self.fail("gguf_damaged", f"more than {MAX_KEPT} bytes of metadata")

    def _fill(self, need: int) -> None:
        """Makes at least ``need`` bytes from here available."""
        self.require(need, "header")
        position = self.position
        self._file.seek(position)
        self._window, self._base, self._at = self._file.read(max(need, WINDOW)), position, 0
        if len(self._window) < need:
            self.fail("gguf_truncated", f"{need} bytes wanted at {position}, {len(self._window)} there")
