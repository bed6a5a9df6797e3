"""What the transformers rungs' weights take, by the engine's proof, against the plan made of the files' headers: on a
tiny folder and on one of about a billion parameters (made, 1.9 GB in a temporary folder, deleted afterwards)."""

import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

from autoglm_desktop.core import protocol, torch_memory
from autoglm_desktop.core.folder_subject import of_folder
from autoglm_desktop.core.units import MIB
from autoglm_desktop.host.command import engine_command, engine_environment
from autoglm_desktop.host.process import EngineProcess
from autoglm_desktop.store import safetensors

RUNGS = (
    ("transformers-16bit", None, 0.02),
    ("transformers-int8", "int8", 0.03),
    ("transformers-nf4", "nf4", 0.03),
    ("transformers-nf4-lean", "nf4-lean", 0.03),
)
"""Rung, its quantisation, how far its bytes may be from the plan."""


def measure() -> list[str]:
    from tests.fakes import made_large, made_transformers

    lines = [
        "Bytes of all weights, scales and tables included, as the running engine tells them (bf16, on the processor).",
        "bitsandbytes keeps tables of 1.1 KiB for each quantised matrix, which the plan leaves out: of the tiny folder",
        "they are 2 to 5 %.",
        "",
        "| folder | rung | text MiB | plan | vision MiB | plan | together | aim | to `ready` |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, make in (("tiny", made_transformers.make_glm4v), ("1 B", made_large.make_large)):
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder) / "model")
            if name == "tiny":
                own = asyncio.run(_load(path, None))[1]
            lines += rows(path, name)
    return [*lines, "", f"- the engine's process with the tiny folder: {own / MIB:.0f} MiB of its own"]


def rows(path: Path, name: str) -> list[str]:
    weights = planned(path)
    label = f"{name}, {weights.parameters / 1e6:,.1f} M parameters"
    return [_row(path, label, weights, *rung) for rung in RUNGS]


def planned(path: Path):
    """The parameter counts that a plan of the folder has."""
    folder = safetensors.model_folder(path)
    size = sum(size for _name, size in folder.weights)
    subject = of_folder(
        safetensors.read_config(path), safetensors.tensor_table(folder), path.name, file_bytes=size
    )
    return subject.safetensors


def _row(path: Path, label: str, weights, rung: str, quantisation: str | None, within: float) -> str:
    proof, _own = asyncio.run(_load(path, quantisation))
    told = proof.memory["ram"]
    text = torch_memory.transformers_text_bytes(rung, weights)
    vision = torch_memory.transformers_vision_bytes(rung, weights)
    error = proof.footprint_bytes / (text + vision) - 1
    cells = [
        label,
        f"{rung} ({proof.quantised_modules} quantised modules)",
        f"{told['weights'] / MIB:.2f}",
        f"{text / MIB:.2f}",
        f"{told['projector'] / MIB:.2f}",
        f"{vision / MIB:.2f}",
        f"{error:+.2%}",
        f"{within:.0%}" + ("" if abs(error) <= within else " **no**"),
        f"{proof.load_s:.1f} s",
    ]
    return "| " + " | ".join(cells) + " |"


async def _load(path: Path, quantisation: str | None):
    """(the proof, bytes that the process shares with nobody)"""
    process = await EngineProcess.start(engine_command(Path(sys.executable)), engine_environment())
    try:
        job = protocol.Load("transformers", str(path), 1024, dtype="bf16", quantisation=quantisation)
        ready = await process.job(job)
        assert isinstance(ready, protocol.Ready), ready
        return ready.proof, psutil.Process(process.pid).memory_full_info().uss
    finally:
        await process.close()
