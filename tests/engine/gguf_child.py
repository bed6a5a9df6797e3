"""Asks llama.cpp about a GGUF file, in a process of its own: prints one JSON document.

``types`` · ``blocks`` · ``decode FILE TOKENS`` · ``dry_run FILE FTYPE…``
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import llama_cpp.llama_cpp as low
import numpy as np

from autoglm_desktop.core.gguf_types import FILE_TYPE_IDS, TYPES
from autoglm_desktop.store.gguf_blocks import quantise_rows, random_blocks

LINES: list[str] = []
PROMPT = "[gMASK]<sop><|user|>\nHow is the 天气 today? Please answer in more than one word.<|assistant|>\n"


@low.llama_log_callback
def collect(_level: int, text: bytes, _data: object) -> None:
    LINES.append(text.decode("utf-8", "replace"))


def library() -> ctypes.CDLL:
    folder = Path(llama_cpp.__file__).parent / "lib"
    for name in ("libggml-base.so", "libggml-base.dylib", "ggml-base.dll"):
        if (folder / name).is_file():
            return ctypes.CDLL(str(folder / name))
    raise FileNotFoundError(folder)


def types() -> dict[str, Any]:
    base = library()
    base.ggml_blck_size.restype = ctypes.c_int64
    base.ggml_type_size.restype = ctypes.c_size_t
    base.ggml_type_name.restype = ctypes.c_char_p
    return {
        name: [
            base.ggml_type_name(kind.id).decode().upper(),
            base.ggml_blck_size(kind.id),
            base.ggml_type_size(kind.id),
        ]
        for name, kind in TYPES.items()
    }


def blocks() -> dict[str, Any]:
    """Random blocks: mean and deviation as llama.cpp reads them; quantised rows: how far they are off."""
    base, rng, count = library(), np.random.default_rng(2), 256 * 500

    def read(name: str, raw: np.ndarray) -> np.ndarray:
        function = base[f"dequantize_row_{name.lower().replace('_k', '_K')}"]
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64], None
        raw, out = np.ascontiguousarray(raw), np.empty(count, np.float32)
        function(raw.ctypes.data, out.ctypes.data, count)
        return out

    names = (
        "Q4_0",
        "Q4_1",
        "Q5_0",
        "Q5_1",
        "Q8_0",
        "Q2_K",
        "Q3_K",
        "Q4_K",
        "Q5_K",
        "Q6_K",
        "IQ4_NL",
        "IQ4_XS",
    )
    deviations = {
        name: float(read(name, random_blocks(TYPES[name], count, rng, 1.0)).std()) for name in names
    }
    rows = rng.standard_normal((500, 256), np.float32)
    errors = {
        name: float(np.abs(read(name, quantise_rows(TYPES[name], rows)) - rows.reshape(-1)).max())
        for name in ("Q8_0", "Q4_K", "Q6_K")
    }
    return {"deviations": deviations, "errors": errors}


def decode(path: str, tokens: int) -> dict[str, Any]:
    """A greedy reply to a fixed prompt, on plain CPU buffers (the self-test tries the others)."""
    params = low.llama_model_default_params()
    params.n_gpu_layers, params.use_extra_bufts = 0, False
    model = low.llama_model_load_from_file(path.encode(), params)
    if not model:
        return {"loaded": False, "log": LINES[-5:]}
    context_params = low.llama_context_default_params()
    context_params.n_ctx, context_params.n_threads, context_params.n_threads_batch = 512, 2, 2
    context_params.flash_attn_type = low.LLAMA_FLASH_ATTN_TYPE_ENABLED
    context_params.op_offload = False
    context = low.llama_init_from_model(model, context_params)
    vocab = low.llama_model_get_vocab(model)
    prompt = PROMPT.encode()
    ids = (ctypes.c_int32 * 512)()
    count = low.llama_tokenize(vocab, prompt, len(prompt), ids, 512, False, True)
    size = low.llama_vocab_n_tokens(vocab)
    reply, finite, batch, buffer = b"", True, list(ids[:count]), (ctypes.c_char * 256)()
    for _ in range(tokens):
        given = (ctypes.c_int32 * len(batch))(*batch)
        if low.llama_decode(context, low.llama_batch_get_one(given, len(batch))) != 0:
            return {"loaded": True, "decoded": False}
        logits = np.ctypeslib.as_array(low.llama_get_logits_ith(context, -1), (size,))
        finite = finite and bool(np.isfinite(logits).all())
        batch = [int(logits.argmax())]
        if low.llama_vocab_is_eog(vocab, batch[0]):
            break
        reply += buffer[: low.llama_token_to_piece(vocab, batch[0], buffer, 256, 0, False)]
    return {
        "loaded": True, "decoded": True, "prompt_tokens": count, "finite": finite,
        "reply": reply.decode("utf-8", "ignore"), "vocabulary": size,
        "bytes": low.llama_model_size(model), "parameters": low.llama_model_n_params(model),
        "layers": low.llama_model_n_layer(model), "bos": low.llama_vocab_bos(vocab),
        "eos": low.llama_vocab_eos(vocab), "eot": low.llama_vocab_eot(vocab),
    }  # fmt: skip


LINE = re.compile(
    r"^\[ *\d+/ *\d+\] (\S+) +- \[.*?\], type = +(\w+), size = .*?(?:\((\w+)\))?$", re.MULTILINE
)


def dry_run(path: str, ftypes: list[str]) -> dict[str, Any]:
    """The quantiser's own choice per file type and tensor, from its log."""
    answer = {}
    for ftype in ftypes:
        LINES.clear()
        params = low.llama_model_quantize_default_params()
        params.ftype, params.dry_run, params.nthread = FILE_TYPE_IDS[ftype], True, 1
        if low.llama_model_quantize(path.encode(), b"unused.gguf", ctypes.byref(params)) != 0:
            raise RuntimeError("".join(LINES[-5:]))
        lines = LINE.finditer("".join(LINES))
        answer[ftype] = {match[1]: (match[3] or match[2]).upper() for match in lines}
    return answer


def main() -> None:
    low.llama_log_set(collect, None)
    low.llama_backend_init()
    command, *rest = sys.argv[1:]
    answers = {
        "types": types,
        "blocks": blocks,
        "decode": lambda: decode(rest[0], int(rest[1])),
        "dry_run": lambda: dry_run(rest[0], rest[1:]),
    }
    print(json.dumps(answers[command]()))


if __name__ == "__main__":
    main()
