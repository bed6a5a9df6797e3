"""ggml's tensor types and GGUF's numbers, as data.

Ids, block lengths (elements) and block sizes (bytes) are those of ``ggml_type`` and ``type_traits`` in
llama.cpp 0c1e57098 (vendored by llama-cpp-python 0.3.36): ``ggml/include/ggml.h``, ``ggml/src/ggml.c``,
``ggml/src/ggml-common.h``. Ids that GGUF files may no longer use (4, 5, 31-33, 36-38) are absent.
File type ids are ``llama_ftype`` of ``include/llama.h``. tests/engine/test_gguf_llama.py asks the installed
library for the same numbers.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

GGUF_MAGIC = b"GGUF"
GGUF_VERSION = 3
GGUF_DEFAULT_ALIGNMENT = 32
MAX_DIMS = 4
MAX_NAME = 64  # GGML_MAX_NAME: bytes of a tensor's name with its closing zero

MAX_TENSOR_BYTES = 1 << 62  # what sums of several tensors keep below 2**63


@dataclass(frozen=True)
class GgmlType:
    """One way to store numbers: ``block`` consecutive elements of a row take ``block_bytes`` bytes."""

    id: int
    name: str
    block: int
    block_bytes: int

    @property
    def quantised(self) -> bool:
        return self.block > 1

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.block_bytes / self.block


TYPES: dict[str, GgmlType] = {
    name: GgmlType(id_, name, block, block_bytes)
    for id_, name, block, block_bytes in (
        (0, "F32", 1, 4), (1, "F16", 1, 2), (2, "Q4_0", 32, 18), (3, "Q4_1", 32, 20),
        (6, "Q5_0", 32, 22), (7, "Q5_1", 32, 24), (8, "Q8_0", 32, 34), (9, "Q8_1", 32, 36),
        (10, "Q2_K", 256, 84), (11, "Q3_K", 256, 110), (12, "Q4_K", 256, 144), (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210), (15, "Q8_K", 256, 292), (16, "IQ2_XXS", 256, 66), (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98), (19, "IQ1_S", 256, 50), (20, "IQ4_NL", 32, 18), (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82), (23, "IQ4_XS", 256, 136), (24, "I8", 1, 1), (25, "I16", 1, 2),
        (26, "I32", 1, 4), (27, "I64", 1, 8), (28, "F64", 1, 8), (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2), (34, "TQ1_0", 256, 54), (35, "TQ2_0", 256, 66), (39, "MXFP4", 32, 17),
        (40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18), (42, "Q2_0", 64, 18),
    )
}  # fmt: skip
TYPES_BY_ID: dict[int, GgmlType] = {kind.id: kind for kind in TYPES.values()}

F32, F16, BF16 = TYPES["F32"], TYPES["F16"], TYPES["BF16"]

FILE_TYPES: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
FILE_TYPE_IDS: dict[str, int] = {name: id_ for id_, name in FILE_TYPES.items()}


class ValueType(enum.IntEnum):
    """``gguf_type`` of ``ggml/include/gguf.h``: the type of a metadata value."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


SCALAR_FORMATS: dict[ValueType, str] = {
    ValueType.UINT8: "<B", ValueType.INT8: "<b", ValueType.UINT16: "<H", ValueType.INT16: "<h",
    ValueType.UINT32: "<I", ValueType.INT32: "<i", ValueType.FLOAT32: "<f", ValueType.BOOL: "<?",
    ValueType.UINT64: "<Q", ValueType.INT64: "<q", ValueType.FLOAT64: "<d",
}  # fmt: skip
"""``struct`` formats of the metadata values that are neither strings nor arrays (little-endian)."""

ARCHITECTURES: frozenset[str] = frozenset(
    """
    clip llama llama4 deci falcon grok gpt2 gptj gptneox mpt baichuan starcoder refact bert
    modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert bloom stablelm
    qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3next qwen3vl qwen3vlmoe qwen35 qwen35moe
    qwen4exp phi2 phi3 phimoe plamo plamo2 plamo3 codeshell orion internlm2 minicpm minicpm3 gemma
    gemma2 gemma3 gemma3n gemma4 gemma4-assistant gemma-embedding starcoder2 mamba mamba2 maple
    jamba falcon-h1 xverse command-r cohere2 cohere2moe dbrx olmo olmo2 olmoe muse-glimmer openelm
    arctic deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4 chatglm glm4 glm4moe glm-dsa bitnet
    t5 t5encoder jais jais2 nemotron nemotron_h nemotron_h_moe exaone exaone4 exaone-moe rwkv6
    rwkv6qwen2 rwkv7 arwkv7 granite granitemoe granitehybrid graniteswitch granite_swa chameleon
    wavtokenizer-dec plm bailingmoe bailingmoe2 bailingmoe3 dots1 dots3note arcee afmoe laguna
    ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 hy_v4 smollm3 gpt-oss lfm2
    lfm2moe dream smallthinker llada llada-moe seed_oss grovemoe apertus minimax-01 hrm_text
    minimax-m2 minimax-m3 cogvlm rnd1 pangu-embedded mistral3 eagle3 dflash mistral4 paddleocr mimo2
    step35 spark2_5 llama-embed maincoder kimi-linear kimi-k3 glm5-next talkie mellum nanbeige
    qwen3tts pockettts
    """.split()  # noqa: SIM905
)
"""``general.architecture`` values that llama.cpp knows: ``LLM_ARCH_NAMES`` of ``src/llama-arch.cpp``."""

NO_TEXT_ARCHITECTURES: frozenset[str] = frozenset(
    """
    bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert gemma-embedding
    llama-embed t5encoder wavtokenizer-dec qwen3tts pockettts
    """.split()  # noqa: SIM905
)
"""Of these, the ones that embed text or make sound and cannot answer in words."""


def tensor_bytes(kind: GgmlType, shape: Sequence[int]) -> int:
    """Bytes of a tensor, padding between tensors not counted. ``shape[0]`` is the row length (ggml's order).

    ValueError where a row is no whole number of blocks or the size is beyond any file.
    """
    if not shape:
        raise ValueError("no dimensions")
    if any(extent < 0 for extent in shape):
        raise ValueError(f"negative dimension in {tuple(shape)}")
    if shape[0] % kind.block:
        raise ValueError(f"a row of {shape[0]} is no whole number of {kind.name} blocks of {kind.block}")
    size = math.prod(shape) // kind.block * kind.block_bytes
    if size > MAX_TENSOR_BYTES:
        raise ValueError(f"shape {tuple(shape)} is larger than any file")
    return size


def padded(size: int, alignment: int) -> int:
    """``size`` rounded up to a multiple of ``alignment``."""
    return -(-size // alignment) * alignment
