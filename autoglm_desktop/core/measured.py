"""Speeds measured on this machine, and what they say about a whole model. Pure; seconds, bytes/s, tokens.

``LayerSpeed`` comes from small cuts of a model's shapes (``core.cuts``): a few layers, and the output, instead of all.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_S = 3600.0
"""Nothing that is measured takes as long."""


@dataclass(frozen=True)
class LayerSpeed:
    """What one device takes for one variant of one family of shapes.

    ``device``: ``cpu``, ``cpu-safe`` (without the CPU kernels' own weight layout) or ``gpu:0``; ``shape``: the key of
    ``core.cuts.shape_key``; ``variant``: the quantisation type. Decoding one token with ``cells`` tokens in the context
    takes layers * (decode_layer_s + decode_cell_s * cells) + decode_head_s. A prefill batch of ``batch`` tokens behind
    ``cells`` takes batch * layers * (prefill_layer_s + prefill_cell_s * cells) + prefill_head_s; the last is below 0
    where llama.cpp computes more of the last layer for a batch's last token alone than the output takes.
    """

    device: str
    shape: str
    variant: str
    decode_layer_s: float
    decode_head_s: float
    prefill_layer_s: float
    prefill_head_s: float
    decode_cell_s: float | None = None  # None: not measured, counted as 0
    prefill_cell_s: float | None = None
    batch: int = 512
    threads: int | None = None
    layer_bytes: int = 0  # of one layer on average, and its weights: what other variants are told from
    layer_parameters: int = 0
    engine: str = ""  # the environment and its build; another build is another speed
    build: str = ""
    taken: float | None = None  # seconds since 1970

    @property
    def sound(self) -> bool:
        """Whether times can be so: a damaged or edited file may say anything (NaN is below nothing)."""
        costs = (self.decode_head_s, self.decode_cell_s or 0.0, self.prefill_cell_s or 0.0)
        return (
            all(0 < seconds < LONGEST_S for seconds in (self.decode_layer_s, self.prefill_layer_s))
            and all(0 <= seconds < LONGEST_S for seconds in costs)
            and -self.prefill_layer_s * self.batch <= self.prefill_head_s < LONGEST_S
            and self.batch > 0
            and self.layer_bytes >= 0
            and self.layer_parameters >= 0
        )

    def decode_s(self, layers: float, cells: int) -> float:
        """Seconds of one decoded token in ``layers`` layers and the output."""
        return self.decode_layers_s(layers, cells) + self.decode_head_s

    def decode_layers_s(self, layers: float, cells: int) -> float:
        """Seconds of one decoded token in ``layers`` layers."""
        return layers * (self.decode_layer_s + (self.decode_cell_s or 0.0) * cells)

    def prefill_s(self, layers: float, tokens: int) -> float:
        """Seconds to read ``tokens`` tokens from an empty context in ``layers`` layers, and a batch's output each."""
        batches = -(-tokens // self.batch)
        return self.prefill_layers_s(layers, tokens) + batches * self.prefill_head_s

    def prefill_layers_s(self, layers: float, tokens: int) -> float:
        """Seconds to read ``tokens`` tokens from an empty context in ``layers`` layers, batch by batch."""
        whole, rest = divmod(tokens, self.batch)
        before = self.batch * (
            self.batch * whole * (whole - 1) // 2 + rest * whole
        )  # cells, summed over the tokens
        return layers * (tokens * self.prefill_layer_s + (self.prefill_cell_s or 0.0) * before)


@dataclass(frozen=True)
class DiskSpeed:
    """Reading from a folder's disk without the page cache. ``bytes_per_s``: 1 MiB blocks; ``iops``: 4 KiB, one at a
    time; ``latency_s``: the median of those."""

    path: str
    bytes_per_s: int | None = None
    iops: int | None = None
    latency_s: float | None = None
    taken: float | None = None  # seconds since 1970


@dataclass(frozen=True)
class MeasuredPart:
    """``what``: ram | disk | model (with its ``device`` and ``variant``); ``taken``: seconds since 1970."""

    what: str
    taken: float | None = None
    device: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Measurements:
    """What was measured on one machine. ``hardware``: ``host.crashes.hardware_key``; ``taken``: seconds since 1970, of
    the newest part. A part that was not measured is None or empty."""

    hardware: str
    taken: float | None = None
    ram_bytes_per_s: int | None = None
    disks: tuple[DiskSpeed, ...] = ()
    layers: tuple[LayerSpeed, ...] = ()
    ram_taken: float | None = None

    @property
    def parts(self) -> tuple[MeasuredPart, ...]:
        """What was measured, each with its time."""
        found = (
            [MeasuredPart("ram", self.ram_taken or self.taken)] if self.ram_bytes_per_s is not None else []
        )
        found += [MeasuredPart("disk", disk.taken or self.taken) for disk in self.disks]
        for one in self.layers:
            found.append(MeasuredPart("model", one.taken or self.taken, one.device, one.variant))
        return tuple(found)

    def layer(self, device: str, shape: str, variant: str) -> LayerSpeed | None:
        """The speed of exactly this variant on this device."""
        return next(
            (one for one in self.layers if (one.device, one.shape, one.variant) == (device, shape, variant)),
            None,
        )
