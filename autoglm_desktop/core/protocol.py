"""The engine protocol: UTF-8 JSON lines, ``{"event": …}`` out, ``{"command": …}`` in.

The first line in is a job (``load``, ``self_test``, ``devices``, ``dry_run``, ``measure``); later ``generate``,
``cancel``, ``unload``, ``shutdown``. docs/engine-protocol.md holds one example of each line. Bytes, seconds, tokens/s.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .machine import from_json, to_json

FAILURE_KINDS = (
    "out_of_memory", "crashed", "hung", "bad_file", "missing_dependency", "not_proven", "unsupported",
)  # fmt: skip
PHASES = ("open", "load", "quantise", "project", "warm_up")
NO_GRAMMAR, BAD_SCHEMA = "no_grammar", "bad_schema"
"""How the refusal of a ``json_schema`` begins: this backend holds no answer to one; it is none that can be held."""
RAW = "raw"
"""The role of a prompt that is no conversation: text that is continued as it stands."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. ``temperature`` 0 is greedy; ``seed`` None is random. ``json_schema``: the JSON text of a
    schema that the answer is held to by a grammar; "{}": any JSON object."""

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.0
    max_tokens: int = 1024
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str | None = None


@dataclass(frozen=True)
class EngineOptions:
    """Native options that a safe mode or the user may change. ``numa``: distribute | isolate | numactl."""

    use_extra_bufts: bool = True
    op_offload: bool = True
    memory_lock: bool = False
    huge_pages: bool = False
    numa: str | None = None


@dataclass(frozen=True)
class Projector:
    """The vision part of a GGUF model; of a folder, which holds its own, ``file`` is empty. ``image_tokens``: of the
    largest picture that is taken; loading proves it by encoding it, or one of ``proof_tokens`` where the largest would
    take minutes."""

    file: str
    gpu: bool = False
    image_tokens: int = 0
    proof_tokens: int | None = None


@dataclass(frozen=True)
class Load:
    """Load a model and answer ``ready`` or ``failed``. ``gpu_layers`` counts the output layer, -1 is all.

    ``devices``: the only GPUs to use, by the engine's names (empty: its choice); ``split``: layers on each of them.
    transformers alone: ``model`` is a folder; ``dtype`` and ``quantisation`` (None: none); ``max_memory`` in bytes by
    ``gpu:0`` … and ``ram``; ``saved``: the folder of the 4-bit form, read where it is complete, else written if
    ``save`` says so; ``batch``: how many text answers to write at once, which share the cells of ``context``.
    """

    backend: str  # "llama.cpp" | "transformers"
    model: str
    context: int
    gpu_layers: int = 0
    kv_type: str = "f16"  # f16 | q8_0
    threads: int | None = None
    options: EngineOptions = field(default_factory=EngineOptions)
    projector: Projector | None = None
    devices: tuple[str, ...] = ()
    split: tuple[int, ...] = ()
    dtype: str | None = None  # bf16 | fp16 | fp32
    quantisation: str | None = None  # int8 | nf4 | nf4-lean
    max_memory: dict[str, int] = field(default_factory=dict)
    saved: str | None = None
    save: bool = False
    batch: int = 1


@dataclass(frozen=True)
class SelfTest:
    """Load ``model`` (tiny), decode a prompt and some tokens, answer ``ready`` with the proof."""

    backend: str
    model: str
    gpu_layers: int = 0
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Devices:
    backend: str


@dataclass(frozen=True)
class Layout:
    """One way to lay out a model's context. ``gpu_layers`` counts the output layer, -1 is all."""

    context: int
    kv_type: str = "f16"
    gpu_layers: int = 0


@dataclass(frozen=True)
class DryRun:
    """The buffers of each layout without reading or allocating weights. ``model`` needs only its header; it must be as
    long as the whole file (a sparse copy will do). Answers ``sizes`` or ``failed``."""

    backend: str
    model: str
    layouts: tuple[Layout, ...]
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Measure:
    """How long prefill and decode of a (cut) model take at each depth: tokens that stand in the context before.

    ``batch``: tokens of one prefill; ``rounds``: decoded tokens and prefills at each depth, at most. Ends after about
    ``limit_s`` seconds, loading included. Answers ``progress`` …, then ``measured`` or ``failed``.
    """

    backend: str
    model: str
    depths: tuple[int, ...] = (0,)
    batch: int = 512
    rounds: int = 8
    limit_s: float = 5.0
    gpu_layers: int = 0
    device: str | None = None  # a name of ``devices``; None: the engine's choice
    kv_type: str = "f16"
    threads: int | None = None
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Message:
    """One chat message; ``content`` is text, or parts: ``{"type": "text", "text": …}`` and ``{"type": "image", "file":
    …, "width": …, "height": …}``. The file holds RGB, 8 bits each, row by row; both sides are multiples of 28 and the
    same picture is given to every backend (usecases prepare it)."""

    role: str
    content: Any


@dataclass(frozen=True)
class Generate:
    """Answer a conversation. An assistant's message at its end is continued: its text is the beginning of the answer,
    and deltas hold only what is new. One message of the role RAW is no conversation: its text is continued."""

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Cancel:
    id: str


@dataclass(frozen=True)
class Unload:
    pass


@dataclass(frozen=True)
class Shutdown:
    pass


@dataclass(frozen=True)
class Progress:
    phase: str
    fraction: float


@dataclass(frozen=True)
class Proof:
    """What the engine really runs on, read from the running engine."""

    backend: str
    build: str
    devices: tuple[str, ...] = ()
    gpu_layers: int | None = None
    total_layers: int | None = None
    memory: dict[str, dict[str, int]] = field(default_factory=dict)  # device -> cause -> bytes
    quantised_modules: int | None = None
    kv_type: str | None = None
    context: int | None = None
    threads: int | None = None
    load_s: float | None = None
    warm_up_tokens_per_s: float | None = None
    image_s: float | None = None
    projector: str | None = None
    dtype: str | None = None
    footprint_bytes: int | None = None
    options: EngineOptions = field(default_factory=EngineOptions)
    batch: int | None = None  # text answers that it writes at once; None and 1: one after the other


@dataclass(frozen=True)
class Ready:
    proof: Proof


@dataclass(frozen=True)
class DeviceList:
    """Answer to ``devices``."""

    build: str
    devices: tuple[str, ...]


@dataclass(frozen=True)
class LayoutSizes:
    """Bytes by device and cause (``kv_cache``, ``compute``) of a layout; weights are not among them."""

    layout: Layout
    memory: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Sizes:
    """Answer to ``dry_run``, in the order of its layouts."""

    build: str
    sizes: tuple[LayoutSizes, ...]


@dataclass(frozen=True)
class Point:
    """One thing that was timed: ``decode`` of one token or ``prefill`` of ``tokens`` tokens behind ``depth`` tokens.

    ``seconds``: the median of ``rounds`` times; ``least``: the shortest.
    """

    kind: str  # decode | prefill
    depth: int
    tokens: int
    seconds: float
    least: float
    rounds: int


@dataclass(frozen=True)
class Measured:
    """Answer to ``measure``. ``gpu_layers``: read from the engine, not from the command."""

    build: str
    points: tuple[Point, ...]
    gpu_layers: int = 0
    total_layers: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class Delta:
    id: str
    text: str
    tokens: int


@dataclass(frozen=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    dropped_messages: int = 0
    image_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    first_token_s: float | None = None
    prompt_tokens_per_s: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True)
class Done:
    id: str
    usage: Usage
    timings: Timings
    finish_reason: str  # stop | length | cancelled


@dataclass(frozen=True)
class Failed:
    """``id`` names the request that failed, or None: the engine itself did."""

    kind: str
    message: str
    id: str | None = None


@dataclass(frozen=True)
class MemoryUse:
    """What the engine process holds now: resident bytes and bytes by GPU device."""

    resident_bytes: int | None = None
    devices: dict[str, int] = field(default_factory=dict)


Command: TypeAlias = Load | SelfTest | Devices | DryRun | Measure | Generate | Cancel | Unload | Shutdown
Event: TypeAlias = Progress | Ready | DeviceList | Sizes | Measured | Delta | Done | Failed | MemoryUse

COMMANDS: dict[str, type] = {
    "load": Load, "self_test": SelfTest, "devices": Devices, "dry_run": DryRun, "measure": Measure,
    "generate": Generate, "cancel": Cancel, "unload": Unload, "shutdown": Shutdown,
}  # fmt: skip
EVENTS: dict[str, type] = {
    "progress": Progress, "ready": Ready, "devices": DeviceList, "sizes": Sizes, "measured": Measured,
    "delta": Delta, "done": Done, "failed": Failed, "memory": MemoryUse,
}  # fmt: skip
_COMMAND_NAMES = {cls: name for name, cls in COMMANDS.items()}
_EVENT_NAMES = {cls: name for name, cls in EVENTS.items()}


class ProtocolError(ValueError):
    """A line that is not of the protocol."""


def encode(value: Command | Event) -> str:
    """One line without its newline."""
    kind = type(value)
    if isinstance(value, Delta):  # the hot path: one per token
        return json.dumps(
            {"event": "delta", "id": value.id, "text": value.text, "tokens": value.tokens}, ensure_ascii=False
        )
    key, name = ("command", _COMMAND_NAMES[kind]) if kind in _COMMAND_NAMES else ("event", _EVENT_NAMES[kind])
    return json.dumps({key: name, **to_json(value)}, ensure_ascii=False)


def _decode(line: str | bytes, key: str, kinds: dict[str, type]) -> Any:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    name = data.get(key) if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in kinds:
        raise ProtocolError(f"no known {key!r}: {str(line)[:200]}")
    try:
        if name == "delta":  # the hot path: one per token
            return Delta(str(data["id"]), str(data["text"]), int(data["tokens"]))
        return from_json(kinds[name], data)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ProtocolError(f"{name}: {error!r}") from error


def decode_event(line: str | bytes) -> Event:
    """An event from one line. Raises ProtocolError."""
    event: Event = _decode(line, "event", EVENTS)
    return event


def decode_command(line: str | bytes) -> Command:
    """A command from one line. Raises ProtocolError."""
    command: Command = _decode(line, "command", COMMANDS)
    return command


def with_id(failed: Failed, request: str) -> Failed:
    return dataclasses.replace(failed, id=request)
