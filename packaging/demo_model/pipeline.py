"""The command: tokenizer, training, files, figures. Each step is skipped that an interrupted run has finished."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings
from .settings import LANGUAGES, Shape, Training

if TYPE_CHECKING:
    from .corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "demo_model"
OUT = ROOT / "resources" / "demo_model"
PROMPTS = ROOT / "resources" / "prompts"
LONGEST_PROMPT = 500
"""Characters: the phone agent's instructions would fill a row alone."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    from . import corpus as texts

    transformers.utils.logging.disable_progress_bar()
    begun = time.perf_counter()
    _told("corpus", begun)
    corpus = texts.load(options.corpus)
    print(
        f"  {len(corpus.answers)} answers; {len(corpus.train)} questions to train on, {len(corpus.validation)} to "
        f"choose by, {len(corpus.held_out)} held out, {len(corpus.outside_test)} out of scope to test with, "
        f"{len(corpus.blind)} blind"
    )
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        if not options.evaluate_only:
            _make(options, corpus, begun)
        _evaluate(options, corpus, begun)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    _told("done", begun)
    return 0


def _make(options: argparse.Namespace, corpus: Corpus, begun: float) -> None:
    """Tokenizer, training, the model's files."""
    import torch

    from . import export
    from . import model as models
    from . import tokenizer as words
    from .train import BEST, OtherTraining, Trainer

    _told("tokenizer", begun)
    shape = Shape()
    prompts = _prompts(options.prompts)
    tokenizer = words.train(corpus, shape.vocabulary, prompts)
    ends = [tokenizer.token_to_id(name) for name in words.ENDS]
    _told("training", begun)
    training = dataclasses.replace(
        Training(), minutes=options.minutes, threads=options.threads, compiled=not options.no_compile
    )
    try:
        Trainer(corpus, tokenizer, shape, training, options.work, ends=ends, prompts=prompts).run()
    except OtherTraining as error:
        sys.exit(str(error))
    _told("files", begun)
    model = models.build(shape, ends)
    model.load_state_dict(torch.load(options.work / BEST, weights_only=True))
    zeros = export.save(model, tokenizer, shape, options.out)
    print(
        f"  {options.out}: {models.parameters(model):,} parameters; {zeros} set to 0, F16 holds the rest exactly"
    )


def _evaluate(options: argparse.Namespace, corpus: Corpus, begun: float) -> None:
    from autoglm_desktop.core.demo import NAME
    from autoglm_desktop.store import gguf_glm4

    from . import evaluate
    from .judge import Judge

    file = options.work / "demo-F16.gguf"
    print(f"  {file}: {gguf_glm4.write_gguf(options.out, file, NAME):,} bytes")
    _told("evaluation", begun)
    judge = Judge(corpus.answers)
    asked = evaluate.questions(corpus, options.questions)
    print(f"  {len(asked)} questions through transformers, then llama.cpp, then in other places", flush=True)
    backends = [
        evaluate.through_transformers(options.out, asked, judge),
        evaluate.through_llama(file, asked, judge, options.threads),
    ]
    systems = {
        name: (options.prompts / f"assistant.{name}.txt").read_text(encoding="utf-8") for name in LANGUAGES
    }
    others = {
        name: evaluate.through_llama(file, asked, judge, options.threads, opening)
        for name, opening in evaluate.openings(corpus, systems).items()
    }
    found = evaluate.figures(corpus, backends, others)
    evaluate.write(found, options.figures)
    print(evaluate.markdown(found))


def _prompts(folder: Path) -> tuple[str, ...]:
    """The program's own system prompts, but the long ones."""
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))]
    return tuple(text for text in texts if len(text) <= LONGEST_PROMPT)


def _told(step: str, begun: float) -> None:
    print(f"{step} (after {(time.perf_counter() - begun) / 60:.1f} min)", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python packaging/demo_model", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=Training.minutes, help="of training (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=min(2, os.cpu_count() or 1), help="default: %(default)s"
    )
    parser.add_argument(
        "--no-compile", action="store_true", help="do without torch.compile (no C++ compiler)"
    )
    parser.add_argument("--evaluate-only", action="store_true", help="take the files that are there")
    parser.add_argument("--questions", type=int, metavar="N", help="evaluate a sample of N questions only")
    parser.add_argument("--corpus", type=Path, default=settings.CORPUS)
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="folder of system prompts")
    parser.add_argument(
        "--work", type=Path, default=WORK, help="checkpoints and the GGUF (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the model's files (default: %(default)s)")
    parser.add_argument(
        "--figures", type=Path, default=settings.HERE, help="folder of figures.json and README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
