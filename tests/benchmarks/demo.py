"""The demo model as a user meets it: from starting ``chat demo -p`` to the first byte of its answer; what each form of
its weights makes of the same questions (held out, out of scope and blind ones, a sample)."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from autoglm_desktop.core import protocol
from autoglm_desktop.core.demo import NAME
from autoglm_desktop.core.units import MIB
from autoglm_desktop.store import gguf_glm4, paths
from autoglm_desktop.store.demo import STEM

from .talking import engine
from .timing import PYTHON, interleaved, median_range

ROOT = Path(__file__).resolve().parents[2]
FOLDER = paths.resources() / "demo_model"
ROUNDS = 9
FRESH_ROUNDS = 5
SAMPLE = 150
MOST_TOKENS = 192
CONTEXT = 1024
QUESTION = "What is VRAM?"
FILE_TYPES = {"Q8_0": 7, "Q4_K_M": 15}
"""llama.cpp's ``llama_ftype``."""
QUANTISE = """
import ctypes, sys
from llama_cpp import llama_cpp as low
params = low.llama_model_quantize_default_params()
params.ftype = int(sys.argv[3])
sys.exit(low.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(params)))
"""
TRANSFORMERS = (
    ("float32", {"dtype": "fp32"}),
    ("bf16", {"dtype": "bf16"}),
    ("int8", {"dtype": "bf16", "quantisation": "int8"}),
    ("nf4", {"dtype": "bf16", "quantisation": "nf4"}),
    ("nf4-lean", {"dtype": "bf16", "quantisation": "nf4-lean"}),
)


def measure() -> list[str]:
    return [*_starts(), "", *_forms()]


def _starts() -> list[str]:
    fresh = interleaved(
        FRESH_ROUNDS, plain=lambda: _fresh(_plain_command()), torch=lambda: _fresh(_command())
    )
    with tempfile.TemporaryDirectory() as home:
        _first_byte(home)
        found = interleaved(
            ROUNDS, warm=lambda: _first_byte(home), cold=lambda: _first_byte(home, derive=True)
        )
        timings = [_timings(home) for _ in range(ROUNDS)]
    speeds, loads, firsts = (
        [one[key] for one in timings] for key in ("tokens_per_s", "load_s", "first_token_s")
    )
    return [
        f'`chat demo -p "{QUESTION}"`, from the creation of the process to the first byte on stdout:',
        "",
        f"- {median_range(found['warm'])} (aim: at most 2 s)",
        f"- with the GGUF file to be derived, as at first use: {median_range(found['cold'])}",
        f"- in a fresh data folder, the engine's self-test included: {median_range(fresh['plain'])} without torch, as "
        f"`launch.py` sets the program up; with it, whose self-test comes then, too: {median_range(fresh['torch'])}",
        f"- of these, to load it: {median_range(loads)}; from the request to the first token: {median_range(firsts)}",
        f"- the answer: {median_range(speeds, unit='tokens/s', digits=0)} (aim: at least 100)",
    ]


def _environment(home: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**kept, "AUTOGLM_HOME": home, "AUTOGLM_LANG": "en", "PYTHONPATH": str(ROOT)}


def _command(*more: str) -> list[str]:
    return [PYTHON, "-m", "autoglm_desktop", "chat", "demo", "-p", QUESTION, *more]


def _plain_command() -> list[str]:
    """The same as if torch were not installed."""
    hidden = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('autoglm_desktop', run_name='__main__')"
    return [PYTHON, "-c", hidden, *_command()[3:]]


def _fresh(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as home:
        return _first_byte(home, command=command)


def _first_byte(home: str, *, derive: bool = False, command: list[str] | None = None) -> float:
    """Seconds. ``derive``: the GGUF file is removed before. RuntimeError where no answer came."""
    if derive:
        for path in (Path(home) / "cache").glob(f"{STEM}-*.gguf"):
            path.unlink()
    begun = time.perf_counter()
    pipe = subprocess.PIPE
    with subprocess.Popen(command or _command(), stdout=pipe, stderr=pipe, env=_environment(home)) as process:
        first = os.read(process.stdout.fileno(), 1)
        seconds = time.perf_counter() - begun
        _rest, told = process.communicate(timeout=120)
    if not first or process.returncode:
        raise RuntimeError(told.decode("utf-8", "replace"))
    return seconds


def _timings(home: str) -> dict[str, float]:
    done = subprocess.run(_command("--json"), capture_output=True, check=True, env=_environment(home))
    return json.loads(done.stdout)["timings"]


def _forms() -> list[str]:
    sys.path.append(str(ROOT / "packaging"))
    from demo_model import corpus, evaluate
    from demo_model.judge import Judge

    whole = corpus.load()
    asked = evaluate.questions(whole, SAMPLE)
    judge = Judge(whole.answers)
    lines = [
        f"{len(asked)} questions of its evaluation, each alone, greedily; right by id and language.",
        "",
        "| form | file | right | the same text as F16 | tokens/s | first token | to `ready` | engine's RSS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    reference: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size, job in _jobs(Path(folder)):
            said, row = asyncio.run(_ask(job, asked))
            reference = reference or said
            right = sum(
                (found.answer, found.language) == (one.answer, one.language)
                for one, found in zip(asked, map(judge, said), strict=True)
            )
            same = sum(a == b for a, b in zip(said, reference, strict=True))
            cells = (name, size, f"{right / len(asked):.1%}", f"{same / len(asked):.1%}", *row)
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _jobs(folder: Path):
    """(name, size of its file, job) of each form that is tried; F16 first."""
    path = folder / "demo-F16.gguf"
    gguf_glm4.write_gguf(FOLDER, path, NAME)
    safe = protocol.EngineOptions(use_extra_bufts=False)
    yield "llama.cpp F16", _size(path), protocol.Load("llama.cpp", str(path), CONTEXT, options=safe)
    for name, number in FILE_TYPES.items():
        quantised = folder / f"demo-{name}.gguf"
        command = [PYTHON, "-c", QUANTISE, str(path), str(quantised), str(number)]
        subprocess.run(command, check=True, capture_output=True)
        job = protocol.Load("llama.cpp", str(quantised), CONTEXT, options=safe)
        yield f"llama.cpp {name}", _size(quantised), job
    for name, more in TRANSFORMERS:
        size = _size(FOLDER / "model.safetensors")
        yield f"transformers {name}", size, protocol.Load("transformers", str(FOLDER), CONTEXT, **more)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


async def _ask(job: protocol.Load, asked) -> tuple[list[str], tuple[str, ...]]:
    """(the answers, what was measured as cells of the table)"""
    begun = time.perf_counter()
    async with engine(job) as loaded:
        ready = time.perf_counter() - begun
        answers = [await loaded.ask([protocol.Message("user", one.text)], MOST_TOKENS) for one in asked]
        (child,) = psutil.Process().children()
        rss = child.memory_info().rss
    speed = statistics.median(one.timings.tokens_per_s or 0.0 for one in answers)
    first = statistics.median(one.first_token_s for one in answers)
    cells = (f"{speed:.0f}", f"{1000 * first:.0f} ms", f"{ready:.2f} s", f"{rss / MIB:.0f} MiB")
    return [one.text for one in answers], cells
