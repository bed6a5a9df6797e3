"""Makes GGUF files of a real model's shapes with random weights, for measurements without a download.

    python -m tests.fakes.make_gguf --layers 40 --type Q4_K_M OUT

AutoGLM-Phone-9B's shapes and tensor types, so that size, memory and speed are a real file's (Q4_K_M:
5.737 GiB); what it says is a fixed table of words. ``--layers 2`` cuts it, ``--tiny`` makes the small
model of the tests instead. Needs numpy only.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.quantise import FTYPES
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B
from autoglm_desktop.core.units import GIB
from autoglm_desktop.store.gguf_tiny import write_glm4, write_tiny_glm4

MADE_NAME = "made: AutoGLM-Phone-9B shapes, random weights"


def make_autoglm(
    path: Path, *, layers: int = 40, ftype: str = "Q4_K_M", mrope: bool = True, seed: int = 0
) -> int:
    """Writes a file of AutoGLM-Phone-9B's shapes cut to ``layers`` layers; returns its size in bytes."""
    model = AUTOGLM_PHONE_9B.with_layers(layers)
    if not mrope:
        model = dataclasses.replace(model, rope_sections=None)
    return write_glm4(path, model, ftype, name=MADE_NAME, seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    mrope: bool = not options.no_mrope
    started = time.perf_counter()
    try:
        if options.tiny:
            size = write_tiny_glm4(
                options.out,
                layers=options.layers or 2,
                weight_type=options.type,
                mrope=mrope,
                seed=options.seed,
            )
        else:
            size = make_autoglm(
                options.out, layers=options.layers or 40, ftype=options.type, mrope=mrope, seed=options.seed
            )
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: {size} bytes ({size / GIB:.3f} GiB) in {time.perf_counter() - started:.1f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.make_gguf", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--layers", type=int, help="layers (default: 40, with --tiny 2)")
    parser.add_argument("--type", choices=FTYPES, default="Q4_K_M", help="file type (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="the small model of the tests")
    parser.add_argument(
        "--no-mrope", action="store_true", help="without M-RoPE sections, as early conversions were"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
