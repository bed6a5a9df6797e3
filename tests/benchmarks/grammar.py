"""What a JSON schema costs per token with a vocabulary as large as GLM-4's: the choice of the token alone."""

import statistics
import tempfile
import time
from pathlib import Path

from autoglm_desktop.core import protocol
from autoglm_desktop.store import gguf_tiny

TOKENS = 60
VOCABULARY = 151_552
WILD = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "seed": 1, "max_tokens": TOKENS}
GREEDY = {"temperature": 0.0, "max_tokens": TOKENS}
OBJECT = (
    '{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 120}, "name": {"type": '
    '"string", "maxLength": 30}}, "required": ["age", "name"]}'
)


class Silent:
    """Stands in for the engine's channel."""

    def emit(self, event):
        pass

    def is_cancelled(self, _request):
        return False


def measure() -> list[str]:
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    backend = LlamaBackend(Silent())
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "words.gguf"
        gguf_tiny.write_tiny_glm4(model, vocab=VOCABULARY, hidden=64, head_dim=32, feed_forward=64)
        backend.load(protocol.Load("llama.cpp", str(model), 1024))
        begun = time.perf_counter()
        words = backend._model.vocabulary
        masks = len(words.silent), len(words.broken)
        once = time.perf_counter() - begun
        rows = [
            (name, backend, schema, sampling)
            for name, schema in (("no schema", None), ("a string", '{"type": "string"}'), ("an object", OBJECT),
                                 ("999 optional properties", _wide()))
            for sampling in (GREEDY, WILD)
        ]  # fmt: skip
        lines = [_row(*row) for row in rows]
        backend.unload()
    return [
        f"Choosing a token of {VOCABULARY:,} (the model itself is tiny), milliseconds; {TOKENS} tokens or fewer.",
        "",
        "| held to | sampling | median | least | most |",
        "| --- | --- | --- | --- | --- |",
        *lines,
        "",
        f"- once for each model, at the first schema: {once * 1000:.0f} ms ({masks[0]} control tokens, {masks[1]} that "
        "begin within a character)",
    ]


def _wide() -> str:
    return '{"properties": {' + ", ".join(f'"p{number}": {{"type": "null"}}' for number in range(999)) + "}}"


def _row(name, backend, schema, sampling) -> str:
    from autoglm_desktop.engine import llama_grammar
    from autoglm_desktop.engine import sampling as free

    times = []
    held = llama_grammar.Held if schema else free.Free
    choose = held.choose

    def timed(self, context):
        begun = time.perf_counter()
        token = choose(self, context)
        times.append((time.perf_counter() - begun) * 1000)
        return token

    held.choose = timed
    try:
        values = protocol.Sampling(**sampling, json_schema=schema)
        backend.generate(protocol.Generate("r", (protocol.Message("user", "hello"),), values))
    finally:
        held.choose = choose
    kind = "greedy" if sampling is GREEDY else "top-k 40"
    return f"| {name} | {kind} | {statistics.median(times):.1f} | {min(times):.1f} | {max(times):.1f} |"
