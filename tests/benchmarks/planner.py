"""The planner's bytes against what the engine takes: full-size files (AutoGLM-Phone-9B's shapes, random weights) on the
CPU rungs; its tables against published sizes and llama.cpp's own fit; how long a plan takes. Linux (``smaps``).

``python -m tests.benchmarks.planner [--type Q4_K_M] [--context 2048] [--tables]``; AUTOGLM_BENCHMARK_FOLDER keeps the
files (6 and 10 GB). Speeds alone: ``tests.benchmarks.planner_speed``.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from autoglm_desktop.core import memory, protocol
from autoglm_desktop.core.ladder import plan_model
from autoglm_desktop.core.memory import Budget, Placement
from autoglm_desktop.core.protocol import Layout
from autoglm_desktop.core.subject import of_header, of_model
from autoglm_desktop.core.units import GB, MIB
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess
from autoglm_desktop.probe.cpu import probe_cpu
from autoglm_desktop.store import catalog, gguf, sparse
from autoglm_desktop.usecases.dry_runs import dry_runs, head_of_file
from autoglm_desktop.usecases.services import create_services, gpu_table
from tests.fakes import made_machines as made

from . import planner_speed
from .planner_speed import RUNGS, TYPES, full_size_file
from .timing import median_range

CONTEXTS = (2048, 8192, 16384)
KV_TYPES = ("f16", "q8_0")
PROMPT_TOKENS, REPLY_TOKENS = 512, 4
CAUSES = ("weights", "kv_cache", "compute", "overhead")
RAM = Budget("ram", None, None, memory.RAM_MARGIN_BYTES)
GPU = Budget("gpu:0", None, None, 0)
EVERYTHING = 41
ROUNDS = 7

SIZES = {
    "Q8_0": (9.99, 8898), "Q6_K": (8.26, 7389), "Q5_K_M": (7.04, 6308), "Q4_K_M": (6.17, 5539),
    "Q4_0": (5.45, 4865), "IQ4_XS": (5.31, 4745), "Q3_K_M": (4.97, 4480), "Q2_K": (4.00, 3617),
}  # fmt: skip
"""File in GB, all layers on a GPU in MiB."""
FITS = (
    (7000, 1024, "f16", False, True, 39), (5000, 1024, "f16", False, True, 24), (3300, 512, "f16", False, True, 15),
    (7000, 1024, "f16", True, True, 20), (7000, 300, "q8_0", False, False, 41), (7000, 300, "q8_0", True, False, 27),
    (5200, 300, "q8_0", False, False, 33), (11000, 300, "q8_0", True, False, 41),
)  # fmt: skip
"""Q4_K_M at 8K by llama.cpp's own fit (no context of a driver): MiB free and left free, KV cache, projector with a
whole screenshot, logits of all tokens; layers."""
ALL_LOGITS_BYTES = (304 - 144.25) * MIB


def measure() -> list[str]:
    """Everything, the speeds too; some 45 minutes on two cores, most of it prefill."""
    with tempfile.TemporaryDirectory() as made_here:
        folder = Path(os.environ.get("AUTOGLM_BENCHMARK_FOLDER") or made_here)
        lines = _measure(folder, TYPES, CONTEXTS)
        return [*lines, "", *planner_speed._run(folder, TYPES, phone=True)]


def _measure(folder: Path, types, contexts) -> list[str]:
    lines = []
    with tempfile.TemporaryDirectory() as heads:
        head = Path(heads) / "head.gguf"
        for ftype in types:
            path = full_size_file(folder, ftype)
            sparse.copy_head(path, head, gguf.read_header(path).data_offset)
            lines += _rows(path, ftype, contexts)
        return [*HEAD, *lines, "", *table_lines(), "", *time_lines(head)]


HEAD = [
    f"What the engine has after a prompt of {PROMPT_TOKENS} tokens and {REPLY_TOKENS} decoded ones, in MiB. Mapped:",
    "the file's pages in its address space, against the plan's `mapped` + `copied`; private: the rest of what is",
    "resident; error: of both together. Causes: what is more (+) than planned. Aim: 3 %, each cause 5 % or 32 MiB.",
    "",
    "| type | rung | context | KV | mapped is | plan | private is | plan | error | causes |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def _rows(path: Path, ftype: str, contexts) -> list[str]:
    lines = []
    for rung, extra in RUNGS:
        for context in contexts:
            for kv_type in KV_TYPES:
                lines.append(_row(path, ftype, rung, extra, context, kv_type))
                print(lines[-1], file=sys.stderr, flush=True)
    return lines


def predicted(path: Path, rung: str, context: int, kv_type: str):
    """The plan's RAM for a file, from its header alone."""
    subject = of_header(gguf.read_header(path), path.stem)
    place = Placement(context, kv_type, repack=rung == "gguf-cpu")
    found = memory.gguf_memory(subject.shape, subject.gguf[0], None, place, (), RAM, probe_cpu().features)
    return found["ram"]


def _row(path: Path, ftype: str, rung: str, extra: bool, context: int, kv_type: str) -> str:
    plan = predicted(path, rung, context, kv_type)
    proof, used = asyncio.run(_use(path, extra, context, kv_type))
    told = proof.memory["ram"]
    held = {
        # What llama.cpp calls weights: the file's pages and the copies. What is left of the process is its own part.
        "weights": told["weights"],
        "kv_cache": told["kv_cache"],
        "compute": told["compute"],
        "overhead": sum(used.values()) - told["weights"] - told["kv_cache"] - told["compute"],
    }
    wanted = {"weights": plan.weights + plan.copied, "kv_cache": plan.kv_cache, "compute": plan.compute,
              "overhead": plan.overhead}  # fmt: skip
    together, plan_total = sum(used.values()), plan.total + plan.copied
    causes = ", ".join(
        f"{cause} {(held[cause] - wanted[cause]) / MIB:+.0f}"
        + ("" if abs(held[cause] - wanted[cause]) <= max(0.05 * held[cause], 32 * MIB) else " **no**")
        for cause in CAUSES
    )
    cells = [
        ftype, rung, str(context), kv_type,
        _mib(used["mapped"]), f"{_mib(plan.mapped)} + {_mib(plan.copied)}",
        _mib(used["private"]), _mib(plan.private), f"{plan_total / together - 1:+.2%}", causes,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


async def _use(path: Path, extra: bool, context: int, kv_type: str):
    """(the proof, memory after a prompt and a reply)"""
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        options = protocol.EngineOptions(use_extra_bufts=extra)
        job = protocol.Load("llama.cpp", str(path), context, kv_type=kv_type, options=options)
        ready = await process.job(job)
        assert isinstance(ready, protocol.Ready), ready
        text = "0" * (PROMPT_TOKENS - 8)  # a token each; the template's come on top
        sampling = protocol.Sampling(temperature=0.0, max_tokens=REPLY_TOKENS)
        request = protocol.Generate("r", (protocol.Message("user", text),), sampling)
        async for event in process.generate(request):
            last = event
        assert isinstance(last, protocol.Done) and last.usage.prompt_tokens >= PROMPT_TOKENS - 8, last
        return ready.proof, resident(process.pid, path)
    finally:
        await process.close()


def resident(pid: int, path: Path) -> dict[str, int]:
    """Bytes of a process: ``mapped``: the file's pages in its address space; ``private``: the rest, libraries too."""
    found = {"mapped": 0, "private": 0}
    of_file = False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            of_file = line.endswith(str(path))
        elif line.startswith("Rss:"):
            found["mapped" if of_file else "private"] += int(line.split()[1]) * 1024
    return found


def _mib(size: int) -> str:
    return f"{size / MIB:.0f}"


def table_lines() -> list[str]:
    """Sizes and layers that fit, computed from the shapes."""
    subject = of_model(catalog.load().models[0])
    lines = ["| type | file GB | plan | | on a GPU MiB | plan | |", "|---|---|---|---|---|---|---|"]
    for ftype, (file_gb, gpu_mib) in SIZES.items():
        weights = subject.weights(ftype)
        file, full = weights.file_bytes / GB, weights.table.full_gpu / MIB
        lines.append(
            f"| {ftype} | {file_gb:.2f} | {file:.2f} | {file / file_gb - 1:+.2%} | {gpu_mib} | {full:.0f} | "
            f"{full / gpu_mib - 1:+.2%} |"
        )
    lines += [
        "",
        "| MiB free | left free | KV | projector | layers by llama.cpp | plan |",
        "|---|---|---|---|---|---|",
    ]
    for free, margin, kv_type, vision, all_logits, expected in FITS:
        found = _layers(
            subject, (free - margin) * MIB, kv_type, vision, ALL_LOGITS_BYTES if all_logits else 0
        )
        vision = "1704 + 816" if vision else "–"
        lines.append(f"| {free} | {margin} | {kv_type} | {vision} | {expected} | {found} |")
    return lines


def _layers(subject, limit: int, kv_type: str, vision: bool, more: float) -> int:
    weights = subject.weights("Q4_K_M")
    fitting = [0]
    for layers in range(1, EVERYTHING + 1):
        place = Placement(8192, kv_type, layers, "gpu" if vision else "none")
        found = memory.gguf_memory(subject.shape, weights, subject.projector, place, (GPU,), RAM)["gpu:0"]
        if found.total + more <= limit:
            fitting.append(layers)
    return fitting[-1]


def many_cards(count: int, free_mib: int):
    """A made machine with so many cards of 8 GB."""
    machine = made.made_rtx_4060()
    card = replace(machine.gpus[0], memory_free_bytes=free_mib * MIB)
    return replace(machine, gpus=tuple(replace(card, index=index) for index in range(count)))


def plan_time_lines() -> list[str]:
    """How long a plan takes without the dry run."""
    models = catalog.load().models
    lines = []
    machines = (
        ("RTX 4060", made.made_rtx_4060()), ("GTX 1060", made.made_gtx_1060()), ("a small computer", made.made_small()),
        ("two cards", many_cards(2, 5000)), ("sixteen cards", many_cards(16, 3000)),
        ("two nearly full cards", many_cards(2, 1200)), ("sixteen nearly full cards", many_cards(16, 1200)),
    )  # fmt: skip
    for name, machine in machines:
        seconds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            plan_model(machine, of_model(models[0]), cards=gpu_table())
            seconds.append(time.perf_counter() - begun)
        lines.append(
            f"- a plan of all rungs and variants, {name}: {median_range(seconds, digits=3)} (aim: 0.05 s)"
        )
    return lines


def time_lines(head: Path) -> list[str]:
    """The same and with the dry run. ``head``: a file as long as a whole one, of which the header is there."""
    lines = plan_time_lines()
    heads, laid = (
        {"made": head_of_file(head)},
        {"made": tuple(Layout(n, kv) for n in CONTEXTS for kv in KV_TYPES)},
    )
    seconds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            begun = time.perf_counter()
            (told,) = asyncio.run(dry_runs(create_services(Path(home)), [(heads, laid)]))
            seconds.append(time.perf_counter() - begun)
            assert len(told) == len(laid["made"]), told
    lines.append(
        f"- a dry run of {len(laid['made'])} layouts, starting the engine included: {median_range(seconds, digits=2)} "
        "(aim: 0.5 s with the plan; kept after)"
    )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--type", action="append", choices=TYPES)
    parser.add_argument("--context", action="append", type=int)
    parser.add_argument("--tables", action="store_true", help="only what needs no full-size file")
    options = parser.parse_args()
    if options.tables:
        lines = [*table_lines(), "", *plan_time_lines()]
    else:
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(os.environ.get("AUTOGLM_BENCHMARK_FOLDER") or folder)
            lines = _measure(kept, options.type or TYPES, options.context or CONTEXTS)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
