"""Text generation by llama.cpp: prompt cache across turns, native sampling, cancel within a token."""

from __future__ import annotations

import codecs
import ctypes
import sys
import time
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from . import llama_load, prompt
from .channel import Channel
from .sampling import make_chain
from .server import JobFailed
from .stops import StopFilter

ABORTED = 2  # llama_decode's return value when the abort callback said so
NO_CELLS = 1  # … when the context is full
CONTROL = 1 << 3  # llama.h: LLAMA_TOKEN_ATTR_CONTROL
MIN_REPLY_TOKENS = 64


class Cancelled(Exception):
    """The request was cancelled during prefill."""


class LlamaBackend:
    """One model at a time. ``load`` first; ``generate`` streams deltas over the channel and returns ``done``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loaded: llama_load.Loaded | None = None
        self._template: prompt.Template | None = None
        self._control_tokens: tuple[str, ...] = ()
        self._evaluated: list[int] = []
        self._pieces: dict[int, bytes] = {}

    def load(self, job: protocol.Load) -> protocol.Proof:
        def progress(phase: str, fraction: float) -> None:
            self._channel.emit(protocol.Progress(phase, fraction))

        self._loaded = llama_load.open_model(job, progress)
        self._evaluated = []
        self._pieces = {}
        self._control_tokens = self._find_control_tokens()
        self._template = self._make_template()
        return self._loaded.proof

    def unload(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
        self._loaded = self._template = None

    def memory(self) -> protocol.MemoryUse:
        if not sys.platform.startswith("linux"):
            return protocol.MemoryUse()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        import resource

        return protocol.MemoryUse(resident_bytes=pages * resource.getpagesize())

    def generate(self, request: protocol.Generate) -> protocol.Done:
        begun = time.perf_counter()
        loaded = self._require()
        tokens, dropped = self._fit(request)
        if not tokens:
            raise JobFailed("unsupported", "the chat template made an empty prompt of the messages")
        cached = self._keep_prefix(tokens)
        try:
            self._prefill(request.id, tokens[cached:])
        except Cancelled:
            usage = protocol.Usage(len(tokens), 0, cached, dropped)
            return protocol.Done(request.id, usage, protocol.Timings(), "cancelled")
        prefilled = time.perf_counter()
        room = loaded.cells - len(tokens)
        run = _Run(self, request, min(request.sampling.max_tokens, room), begun)
        reason = run.decode()
        usage = protocol.Usage(len(tokens), run.count, cached, dropped)
        fresh = len(tokens) - cached
        timings = protocol.Timings(
            first_token_s=run.first_token_s,
            prompt_tokens_per_s=fresh / (prefilled - begun) if prefilled > begun else None,
            tokens_per_s=run.tokens_per_s,
        )
        return protocol.Done(request.id, usage, timings, reason)

    def _require(self) -> llama_load.Loaded:
        if self._loaded is None:
            raise JobFailed("unsupported", "no model is loaded")
        return self._loaded

    def _find_control_tokens(self) -> tuple[str, ...]:
        vocab = self._require().vocab
        found = []
        for token in range(native.llama_vocab_n_tokens(vocab)):
            if native.llama_vocab_get_attr(vocab, token) & CONTROL:
                text = native.llama_vocab_get_text(vocab, token).decode("utf-8", "replace")
                if len(text) > 2:
                    found.append(text)
        return tuple(found)

    def _make_template(self) -> prompt.Template:
        loaded = self._require()
        source = native.llama_model_chat_template(loaded.model, None)
        if source:
            text = source.decode("utf-8", "replace")
        elif loaded.header.architecture == "glm4":
            text = prompt.GLM4_TEMPLATE
        else:
            raise JobFailed("bad_file", "no_chat_template: the file holds no chat template")
        special = {}
        for name, function in (("bos_token", native.llama_vocab_bos), ("eos_token", native.llama_vocab_eos)):
            token = function(loaded.vocab)
            special[name] = self._text(token) if token >= 0 else ""
        return prompt.Template(text, special)

    def _text(self, token: int) -> str:
        raw: bytes = native.llama_vocab_get_text(self._require().vocab, token)
        return raw.decode("utf-8", "replace")

    def _fit(self, request: protocol.Generate) -> tuple[list[int], int]:
        """Tokens of the prompt; whole oldest turns are dropped until a reply has room. (tokens, messages dropped)"""
        cells = self._require().cells
        messages = request.messages
        wanted = min(MIN_REPLY_TOKENS, request.sampling.max_tokens)
        while True:
            tokens = self._tokenise(messages)
            if len(tokens) + wanted <= cells:
                return tokens, len(request.messages) - len(messages)
            shorter = prompt.without_oldest_turn(messages)
            if shorter is None:
                break
            messages = shorter
        if len(tokens) < cells:
            return tokens, len(request.messages) - len(messages)
        raise JobFailed("unsupported", f"context_full: {len(tokens)} prompt tokens, {cells} in the context")

    def _tokenise(self, messages: tuple[protocol.Message, ...]) -> list[int]:
        loaded, template = self._require(), self._template
        assert template is not None
        flat = [prompt.flatten(message, self._control_tokens) for message in messages]
        data = template.render(flat).encode("utf-8", "replace")
        size = len(data) + 16
        buffer = (native.llama_token * size)()
        count = native.llama_tokenize(loaded.vocab, data, len(data), buffer, size, False, True)
        if count < 0:
            raise JobFailed("unsupported", f"the prompt could not be tokenised ({count})")
        tokens = list(buffer[:count])
        bos = native.llama_vocab_bos(loaded.vocab)
        if native.llama_vocab_get_add_bos(loaded.vocab) and bos >= 0 and tokens[:1] != [bos]:
            tokens.insert(0, bos)  # most templates write it themselves; some leave it to the tokenizer
        return tokens

    def _keep_prefix(self, tokens: list[int]) -> int:
        """Keep the KV cells that the new prompt shares with what was evaluated; returns how many tokens."""
        shared = 0
        for old, new in zip(self._evaluated, tokens, strict=False):
            if old != new:
                break
            shared += 1
        shared = min(shared, len(tokens) - 1)  # the last one is evaluated again: its logits are needed
        del self._evaluated[shared:]
        self._drop_cells_behind()
        return len(self._evaluated)

    def _drop_cells_behind(self) -> None:
        """Keep in the KV cache what ``_evaluated`` holds; recurrent models can't forget a part and start anew."""
        memory = native.llama_get_memory(self._require().context)
        if not native.llama_memory_seq_rm(memory, 0, len(self._evaluated), -1):
            native.llama_memory_clear(memory, True)
            self._evaluated = []

    def _prefill(self, request: str, tokens: list[int]) -> None:
        """Evaluate the prompt in batches. The CPU backend asks the callback between graph nodes; for GPU
        backends, which don't, the flag is looked at between batches. Raises Cancelled, JobFailed."""
        loaded = self._require()
        context, batch = loaded.context, loaded.batch
        callback = native.ggml_abort_callback(lambda _data: self._channel.is_cancelled(request))
        native.llama_set_abort_callback(context, callback, ctypes.c_void_p(0))
        try:
            for start in range(0, len(tokens), batch):
                if self._channel.is_cancelled(request):
                    raise Cancelled
                if not self.evaluate(tokens[start : start + batch]):
                    raise JobFailed("unsupported", f"context_full: no room for {len(tokens)} prompt tokens")
                native.llama_synchronize(context)  # GPU backends only queue the work: the time must be real
        finally:
            native.llama_set_abort_callback(context, native.ggml_abort_callback(), ctypes.c_void_p(0))

    def evaluate(self, tokens: list[int]) -> bool:
        """Decode tokens behind what was evaluated. False: the context is full. Raises Cancelled, JobFailed."""
        context = self._require().context
        array = (native.llama_token * len(tokens))(*tokens)
        code = native.llama_decode(context, native.llama_batch_get_one(array, len(tokens)))
        if code == 0:
            self._evaluated += tokens
            return True
        # Finished micro-batches of an aborted batch stay in the KV cache: forget what is beyond our own count.
        self._drop_cells_behind()
        if code == ABORTED:
            raise Cancelled
        if code == NO_CELLS:
            return False
        kind, message = llama_load.log.failure(f"llama_decode returned {code}")
        raise JobFailed("out_of_memory" if code == -2 else kind, message)

    def piece(self, token: int) -> bytes:
        """The bytes of a token as they appear in the answer (control tokens: none)."""
        known = self._pieces.get(token)
        if known is None:
            size = -256
            while size < 0:  # a piece that is longer says, negative, how long
                buffer = (ctypes.c_char * -size)()
                size = native.llama_token_to_piece(self._require().vocab, token, buffer, -size, 0, False)
            known = self._pieces[token] = buffer.raw[:size]
        return known

    def is_cancelled(self, request: str) -> bool:
        return self._channel.is_cancelled(request)

    def emit(self, delta: protocol.Delta) -> None:
        self._channel.emit(delta)

    def handles(self) -> tuple[Any, Any, int]:
        """(context, vocab, cells)"""
        loaded = self._require()
        return loaded.context, loaded.vocab, loaded.cells


class _Run:
    """The decode loop of one request."""

    def __init__(self, backend: LlamaBackend, request: protocol.Generate, limit: int, begun: float) -> None:
        self._backend = backend
        self._request = request
        self._limit = limit
        self._begun = begun
        self._first = self._last = 0.0
        self.count = 0

    @property
    def first_token_s(self) -> float | None:
        return self._first - self._begun if self.count else None

    @property
    def tokens_per_s(self) -> float | None:
        if self.count < 2 or self._last <= self._first:
            return None
        return (self.count - 1) / (self._last - self._first)

    def decode(self) -> str:
        """Stream the answer; returns the finish reason: stop, length or cancelled."""
        context, vocab, cells = self._backend.handles()
        chain = make_chain(self._request.sampling, native.llama_vocab_n_tokens(vocab), cells)
        try:
            return self._loop(chain, context, vocab)
        finally:
            native.llama_sampler_free(chain)

    def _loop(self, chain: Any, context: Any, vocab: Any) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        stops = StopFilter(self._request.sampling.stop)
        reason = "length"
        while self.count < self._limit:
            token = native.llama_sampler_sample(chain, context, -1)
            now = time.perf_counter()
            if native.llama_vocab_is_eog(vocab, token):
                reason = "stop"
                break
            self._last = now
            self._first = self._first or now
            self.count += 1
            text, stopped = stops.feed(decoder.decode(self._backend.piece(token)))
            if text:
                self._backend.emit(protocol.Delta(self._request.id, text, self.count))
            if stopped:
                return "stop"
            if self._backend.is_cancelled(self._request.id):
                reason = "cancelled"
                break
            if not self._backend.evaluate([token]):
                break
        text = stops.rest()  # the first bytes of a character that never came are left out
        if text:
            self._backend.emit(protocol.Delta(self._request.id, text, self.count))
        return reason
