"""made_: an engine process that speaks the protocol and holds no model; standard library only.

``fake_command(mode, *args)`` gives what Services(command=…), Supervisor and self_test take. Modes:

ok [--tokens N] [--delay S] [--first S] [--reply TEXT]   load, then stream N tokens that echo the question (or TEXT)
   [--batch]   as many answers at once as the load asks for, each as if it were alone
crash-load            SIGSEGV while loading            crash-unless-safe   … unless use_extra_bufts is off
crash-generate [K]    SIGSEGV after K tokens           hang                silent and idle from the first job on
oom-generate [K]      a request fails after K tokens, the engine lives on
hang-generate         … from the first request on      noise               garbage on stdout and stderr, then ok
oom                   allocation message, then abort   oom-above CONTEXT   out_of_memory above that context
bad-file              the file is refused

An answer that ends the conversation is continued: what it says already is left out of what is streamed. A raw prompt
is echoed as a question is. Held to a JSON schema it says the least that is valid (``least_of``) unless --reply is
given; loaded for transformers it refuses.

One character counts as one token of a prompt. Nothing here measures anything: proof and timings are made up.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __name__ != "__main__":
    from autoglm_desktop.core import protocol
else:
    _root = Path(__file__).resolve().parents[2] / "autoglm_desktop"
    _spec = importlib.util.spec_from_file_location(
        "autoglm_desktop", _root / "__init__.py", submodule_search_locations=[str(_root)]
    )
    assert _spec is not None and _spec.loader is not None
    _package = importlib.util.module_from_spec(_spec)
    sys.modules["autoglm_desktop"] = _package
    _spec.loader.exec_module(_package)
    from autoglm_desktop.core import protocol

from autoglm_desktop.core.json_grammar import grammar_of
from autoglm_desktop.core.json_schema import SchemaRefused

MODES = (
    "ok", "crash-load", "crash-unless-safe", "crash-generate", "oom-generate", "hang", "hang-generate", "noise", "oom",
    "oom-above", "bad-file",
)  # fmt: skip
WEIGHTS = 6_160_000_000
KV_BYTES_PER_TOKEN = 40_960


def fake_command(mode: str = "ok", *args: object) -> Callable[[Path], list[str]]:
    """The engine's command line for a mode; the environment's Python is replaced by the one that runs the tests."""
    from autoglm_desktop.host.self_test import TOKENS
    from autoglm_desktop.store.gguf_words import expected_reply

    words = [sys.executable, "-I", "-u", "-X", "utf8", str(Path(__file__).resolve()), mode, *map(str, args)]
    words += ["--self-test-reply", expected_reply(TOKENS)]
    return lambda _python: list(words)


class FakeEngine:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.mode: str = options.mode
        self.context, self.width = 4096, 1
        self.loaded = self.testing = False
        self.backend = "llama.cpp"
        self._out = os.dup(1)
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[protocol.Command] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._wake = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def emit(self, event: protocol.Event) -> None:
        self.write((protocol.encode(event) + "\n").encode("utf-8", "surrogatepass"))

    def write(self, data: bytes) -> None:
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._out, data) :]
            except OSError:
                os._exit(0)

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                command = protocol.decode_command(line)
            except protocol.ProtocolError as error:
                self.emit(protocol.Failed("unsupported", f"command not understood: {error}"))
                continue
            if isinstance(command, protocol.Cancel):
                with self._wake:
                    self._cancelled.add(command.id)
                    self._wake.notify_all()
            elif isinstance(command, protocol.Shutdown):
                break
            else:
                self._commands.put(command)
        os._exit(0)

    def run(self) -> None:
        while True:
            command = self._commands.get()
            if self.mode == "hang":
                threading.Event().wait()
            if isinstance(command, protocol.Devices):
                self.emit(protocol.DeviceList("fake engine", ("CPU (fake engine)",)))
            elif isinstance(command, (protocol.Load, protocol.SelfTest)):
                self.load(command)
            elif isinstance(command, protocol.DryRun):
                self.dry_run(command)
            elif isinstance(command, protocol.Generate) and self.width > 1:
                threading.Thread(target=self.generate, args=(command,), daemon=True).start()
            elif isinstance(command, protocol.Generate):
                self.generate(command)
            elif isinstance(command, protocol.Unload):
                self.loaded = False
                self.emit(protocol.MemoryUse(resident_bytes=20_000_000))

    def dry_run(self, job: protocol.DryRun) -> None:
        if self.mode == "crash-load":
            crash()
        if self.mode == "bad-file":
            self.emit(protocol.Failed("bad_file", "no GGUF file: the magic bytes are missing"))
            return
        self.emit(
            protocol.Sizes(
                "fake engine",
                tuple(
                    protocol.LayoutSizes(
                        one, {"ram": {"kv_cache": KV_BYTES_PER_TOKEN * one.context, "compute": 160_000_000}}
                    )
                    for one in job.layouts
                ),
            )
        )

    def load(self, job: protocol.Load | protocol.SelfTest) -> None:
        context = job.context if isinstance(job, protocol.Load) else 256
        kv_type = job.kv_type if isinstance(job, protocol.Load) else "f16"
        self.emit(protocol.Progress("open", 0.0))
        if self.mode == "noise":
            self.noise()
        if self.mode == "bad-file":
            self.emit(protocol.Failed("bad_file", "no GGUF file: the magic bytes are missing"))
            return
        if self.mode == "oom-above" and context > int(self.options.number):
            self.emit(protocol.Failed("out_of_memory", f"failed to allocate a KV cache of {context} tokens"))
            return
        for fraction in (0.0, 0.5, 1.0):
            self.emit(protocol.Progress("load", fraction))
        if self.mode == "oom":
            sys.stderr.write(
                "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 6160000000\n"
            )
            sys.stderr.flush()
            os.abort()
        self.emit(protocol.Progress("warm_up", 0.0))
        if self.mode == "crash-load" or (self.mode == "crash-unless-safe" and job.options.use_extra_bufts):
            crash()
        self.backend = job.backend
        self.context, self.loaded, self.testing = context, True, isinstance(job, protocol.SelfTest)
        self.width = job.batch if self.options.batch and isinstance(job, protocol.Load) else 1
        layers = job.gpu_layers
        proof = protocol.Proof(
            backend=job.backend, build="fake engine", devices=("CPU (fake engine)",),
            gpu_layers=0 if layers < 0 else layers, total_layers=41, kv_type=kv_type,
            context=context, threads=2, load_s=0.25, warm_up_tokens_per_s=12.5,
            memory={"ram": {"weights": WEIGHTS, "kv_cache": KV_BYTES_PER_TOKEN * context, "compute": 160_000_000}},
            options=job.options, batch=self.width,
        )  # fmt: skip
        self.emit(protocol.Ready(proof))
        self.emit(protocol.MemoryUse(resident_bytes=WEIGHTS))

    def noise(self) -> None:
        """What native code and broken programs print: every line must go to the log and nowhere else."""
        for line in (
            b"llama_model_loader: loaded meta data\n", b"\xff\xfe not UTF-8\n", b"[1, 2, 3]\n", b"{}\n", b"\n",
            b'{"event": "no such event"}\n', b'{"event": "delta"}\n',
            b'{"event": "delta", "id": "x", "text": "y", "tokens": null}\n',
            b'{"event": "ready", "proof": 7}\n', b'{"event": "progress", "phase": "load", "fraction": "half"}\n',
            b"[" * 100_000 + b"\n", b"\x00\x00\x00\n",
        ):  # fmt: skip
            self.write(line)
            sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()

    def generate(self, request: protocol.Generate) -> None:
        texts = [text_of(message) for message in request.messages]
        if not self.loaded:
            self.emit(protocol.Failed("unsupported", "no model is loaded", request.id))
            return
        if any(text is None for text in texts):
            self.emit(protocol.Failed("unsupported", "no_vision: a message part that is no text", request.id))
            return
        refusal = self.refusal(request)
        if refusal:
            self.emit(protocol.Failed("unsupported", refusal, request.id))
            return
        prompt = sum(len(text or "") for text in texts)
        if prompt >= self.context:
            message = f"context_full: {prompt} prompt tokens, {self.context} in the context"
            self.emit(protocol.Failed("unsupported", message, request.id))
            return
        if self.mode == "hang-generate":
            threading.Event().wait()
        begun = time.monotonic()
        limit = 1000 if self.testing else min(request.sampling.max_tokens, self.context - prompt)
        begun = request.messages[-1].role == "assistant" if request.messages else False
        asked = texts[-2:-1] if begun else texts[-1:]
        said = (texts[-1] or "") if begun else ""
        reason, count = self.stream(request, limit, (asked[0] if asked else "") or "", said)
        if reason == "oom":
            self.emit(protocol.Failed("out_of_memory", "made: CUDA out of memory", request.id))
            return
        usage = protocol.Usage(prompt, count)
        spent = max(time.monotonic() - begun, 1e-3)
        timings = protocol.Timings(self.options.first + self.options.delay, prompt / spent, count / spent)
        self.emit(protocol.Done(request.id, usage, timings, reason))
        self._cancelled.discard(request.id)
        self.emit(protocol.MemoryUse(resident_bytes=WEIGHTS))

    def refusal(self, request: protocol.Generate) -> str:
        """Why a raw prompt or a JSON schema is not answered; empty where it is."""
        roles, schema = [message.role for message in request.messages], request.sampling.json_schema
        if protocol.RAW in roles and (len(roles) > 1 or not isinstance(request.messages[0].content, str)):
            return "a raw prompt is one text and has no other messages beside it"
        if protocol.RAW in roles and not request.messages[0].content:
            return "the prompt is empty: there is nothing to continue"
        if schema is not None and self.backend != "llama.cpp":
            return f"{protocol.NO_GRAMMAR}: transformers can't hold an answer to a JSON schema"
        try:
            grammar_of(schema if schema is not None else "{}")
        except SchemaRefused as error:
            return f"{protocol.BAD_SCHEMA}: {error}"
        return ""

    def stream(self, request: protocol.Generate, limit: int, question: str, said: str) -> tuple[str, int]:
        schema = request.sampling.json_schema
        held = schema is not None and self.options.reply is None
        words = unsaid(list(least_of(schema or "")) if held else self.words(question), said)
        self.pause(request.id, self.options.first)
        for count, word in enumerate(words, 1):
            if self.mode == "crash-generate" and count > int(self.options.number):
                crash()
            if self.mode == "oom-generate" and count > int(self.options.number):
                return "oom", count - 1
            self.pause(request.id, self.options.delay)
            if request.id in self._cancelled:
                return "cancelled", count - 1
            if count > limit:
                return "length", limit
            self.emit(protocol.Delta(request.id, word, count))
        if self.mode == "crash-generate":
            crash()
        return "stop", len(words)

    def words(self, question: str) -> list[str]:
        reply = self.options.self_test_reply if self.testing else self.options.reply
        if reply is not None:
            return list(reply)
        echo = ["你", "问", "的", "是", "「", *question[:200], "」", "。", " You", " asked", ":", " "]
        echo += [word + " " for word in question[:200].split()]
        return [echo[i % len(echo)] for i in range(self.options.tokens)]

    def pause(self, request: str, seconds: float) -> None:
        """Wait, but end at once when the request is cancelled."""
        if seconds > 0:
            with self._wake:
                self._wake.wait_for(lambda: request in self._cancelled, seconds)


def unsaid(words: list[str], said: str) -> list[str]:
    """The words behind those that were said."""
    count = 0
    while count < len(words) and said and said.startswith(words[count]):
        said = said[len(words[count]) :]
        count += 1
    return words[count:]


def least_of(schema: str) -> str:
    """The least that is valid by a plain schema: the first of its values, its required properties."""

    def least(part: Any) -> Any:
        if not isinstance(part, dict):
            return None
        if "const" in part or "enum" in part:
            return part.get("const", part.get("enum", [None])[0])
        for key in ("anyOf", "oneOf"):
            if key in part:
                return least(part[key][0])
        kind = part.get("type", "object")
        if kind == "object":
            named = part.get("properties", {})
            return {name: least(named.get(name)) for name in part.get("required", ())}
        if kind == "array":
            return [least(part.get("items"))] * part.get("minItems", 0)
        plain = {"string": "a" * part.get("minLength", 0), "boolean": True, "null": None}
        return plain.get(kind, part.get("minimum", 0))

    return json.dumps(least(json.loads(schema)), ensure_ascii=False)


def text_of(message: protocol.Message) -> str | None:
    """The text of a message; None where it holds a part that is no text."""
    if isinstance(message.content, list):
        parts = [part.get("text", "") if part.get("type") == "text" else None for part in message.content]
        return None if None in parts else "".join(map(str, parts))
    return str(message.content or "")


def crash() -> None:
    """Die as a native crash does, without a core file."""
    sys.stderr.write("fake engine: a native crash\n")
    sys.stderr.flush()
    if os.name != "posix":
        os._exit(0xC0000005 - 2**32)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)
    threading.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("number", nargs="?", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each token")
    parser.add_argument("--first", type=float, default=0.0, help="seconds of prefill")
    parser.add_argument("--reply", default=None)
    parser.add_argument("--batch", action="store_true", help="several answers at once")
    parser.add_argument("--self-test-reply", default=None, help="what the self-test model must say")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    FakeEngine(options).run()


if __name__ == "__main__":
    main()
