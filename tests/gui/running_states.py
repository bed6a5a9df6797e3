"""How a model runs, for tests.gui.render: the ladder walking, the proof, a lock, warnings. All values are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QDialog

from autoglm_desktop.core.errors import EngineError, Reason
from autoglm_desktop.core.protocol import EngineOptions, MemoryUse, Progress, Proof
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.gui.contents import Contents
from autoglm_desktop.gui.main_window import CHAT
from autoglm_desktop.host.supervisor import LadderFailed, Step, Try
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("AutoGLM-Phone-9B", Path("/made/autoglm-phone-9b"))
CARD = "CUDA0 (made GeForce RTX 4060)"


def _plan(
    rung: str, variant: str, context: int, layers: int | None, gpu: float, ram: float, **more: object
) -> RungPlan:
    gpu_memory = DeviceMemory(
        weights=int((gpu - 1.1) * GIB), kv_cache=320 * MIB, compute=300 * MIB, projector=506 * MIB,
        overhead=200 * MIB, margin=600 * MIB, total=int(gpu * GIB), available=int(7.2 * GIB),
    )  # fmt: skip
    ram_memory = DeviceMemory(
        weights=int(ram * GIB * 0.8), kv_cache=320 * MIB if not gpu else 0, compute=300 * MIB, overhead=250 * MIB,
        total=int(ram * GIB), available=int(11.5 * GIB),
    )  # fmt: skip
    memory = {**({"gpu:0": gpu_memory} if gpu else {}), "ram": ram_memory}
    return RungPlan(
        rung, variant=variant, status="fits", installed=True, engine_installed=True, context=context, kv_type="f16",
        gpu_layers=layers, projector="gpu" if gpu else "cpu", memory=memory, **more,  # type: ignore[arg-type]
    )  # fmt: skip


NF4 = _plan("transformers-nf4", "safetensors", 10_240, None, 8.6, 1.4, dtype="nf4")
WHOLE = _plan("gguf-gpu", "Q4_K_M", 10_240, 41, 7.6, 0.9)
SPLIT = _plan("gguf-split", "Q4_K_M", 10_240, 30, 5.9, 2.4)
CPU = _plan("gguf-cpu", "Q4_K_M", 10_240, 0, 0, 6.4)
SAFE = _plan("gguf-cpu-safe", "Q4_K_M", 10_240, 0, 0, 6.4)
LADDER = (NF4, WHOLE, SPLIT, CPU, SAFE)


def _try(plan: RungPlan, kind: str | None, message: str = "", seconds: float = 2.3, **more: object) -> Try:
    planned = {key: memory.total for key, memory in plan.memory.items()}
    return Try(
        plan.rung, kind, message, seconds, variant=plan.variant, engine="made", context=plan.context,
        kv_type=plan.kv_type, gpu_layers=plan.gpu_layers, projector=plan.projector, planned=planned, **more,  # type: ignore[arg-type]
    )  # fmt: skip


NOT_PROVEN = _try(
    NF4, "not_proven", seconds=21.4, phase="load",
    reason=Reason.of("proof_device_bytes", found_bytes=int(2.1 * GIB), needed_bytes=int(7.5 * GIB)),
)  # fmt: skip
NO_MEMORY = _try(
    WHOLE, "out_of_memory", "made: ggml_backend_cuda_buffer_type_alloc_buffer: allocating 5812.40 MiB on device 0: "
    "cudaMalloc failed: out of memory", phase="load",
)  # fmt: skip
CRASHED = _try(CPU, "crashed", "SIGSEGV: made: in the first decode", 4.6, phase="warm_up")
REFUSED = _try(SAFE, "out_of_memory", "made: cannot allocate 5.7 GiB", 3.1, phase="load")
ANSWERING = _try(WHOLE, "out_of_memory", "made: cudaMalloc failed", 0.0, phase="generate")

GPU_PROOF = Proof(
    "llama.cpp", "made 0.3.36 (9f2c1d) CUDA 12.4", devices=(CARD, "CPU (made Ryzen 7 5800X)"), gpu_layers=30,
    total_layers=41,
    memory={
        "gpu:0": {"weights": int(4.81 * GIB), "kv_cache": 234 * MIB, "compute": 304 * MIB, "projector": 506 * MIB},
        "ram": {"weights": int(1.92 * GIB), "kv_cache": 86 * MIB, "compute": 24 * MIB},
    },
    kv_type="f16", context=10_240, threads=8, load_s=6.2, warm_up_tokens_per_s=18.4, image_s=0.83,
    projector="gpu glm4v Q8_0", options=EngineOptions(op_offload=True),
)  # fmt: skip
CPU_PROOF = Proof(
    "llama.cpp", "made 0.3.36", devices=("CPU (made Core i5-8250U)",), gpu_layers=0, total_layers=41,
    memory={"ram": {"weights": int(5.72 * GIB), "kv_cache": 320 * MIB, "compute": 304 * MIB}},
    kv_type="f16", context=10_240, threads=4, load_s=9.7, options=EngineOptions(use_extra_bufts=False),
)  # fmt: skip
NF4_PROOF = Proof(
    "transformers", "made transformers 5.0.0, torch 2.9.1+cu126", devices=(CARD,), gpu_layers=41, total_layers=41,
    memory={"gpu:0": {"weights": int(6.1 * GIB), "projector": int(1.61 * GIB)}}, quantised_modules=280,
    context=10_240, load_s=24.1, warm_up_tokens_per_s=11.2, image_s=1.4, projector="gpu glm4v", dtype="bf16",
    footprint_bytes=int(7.71 * GIB),
)  # fmt: skip

WALKING = SessionState(
    "loading", TARGET, step=Step(SPLIT, Progress("load", 0.42)), tries=(NOT_PROVEN, NO_MEMORY), ahead=(CPU, SAFE),
    ladder=LADDER,
)  # fmt: skip
READY = SessionState(
    "ready", TARGET, engine="llama-cuda", plan=SPLIT, proof=GPU_PROOF,
    tries=(NOT_PROVEN, NO_MEMORY, _try(SPLIT, None, seconds=8.4)), ladder=LADDER,
    memory=MemoryUse(int(2.6 * GIB)), tokens_per_s=17.3,
)  # fmt: skip
READY_CPU = SessionState(
    "ready", TARGET, engine="llama-cpu", plan=SAFE, proof=CPU_PROOF,
    tries=(CRASHED, _try(SAFE, None, seconds=10.9)), ladder=(CPU, SAFE),
)  # fmt: skip
READY_NF4 = SessionState(
    "ready", TARGET, engine="torch-cuda", plan=NF4, proof=NF4_PROOF, tries=(_try(NF4, None, seconds=27.0),),
    ladder=LADDER, memory=MemoryUse(int(1.8 * GIB)), tokens_per_s=11.9,
)  # fmt: skip
FAILED = SessionState(
    "failed", TARGET, tries=(NOT_PROVEN, NO_MEMORY, _try(SPLIT, "hung", "made: silent for 60 s", 61.0, phase="load"),
                             CRASHED, REFUSED),
    error=LadderFailed("no_rung_worked", (), path="/made/autoglm-phone-9b", detail=REFUSED.message), ladder=LADDER,
)  # fmt: skip


def _locked(state: SessionState) -> SessionState:
    return SessionState(**{**state.__dict__, "locked": "gguf-split"})


LOCKED_FAILED = SessionState(
    "failed", TARGET, tries=(_try(SPLIT, "out_of_memory", "made: cudaMalloc failed", phase="load"),), ladder=LADDER,
    error=LadderFailed("locked_rung_failed", (), rung="gguf-split", detail="made: cudaMalloc failed"),
    locked="gguf-split",
)  # fmt: skip
NO_ENGINE = SessionState(
    "failed", TARGET, error=EngineError("engine_not_installed", name="torch-cpu", size_mb=1400)
)
TAKEN = Reason.of("memory_taken", taken_bytes=int(2.4 * GIB), free_bytes=96 * MIB)
WARNED = SessionState(**{**READY.__dict__, "warning": TAKEN})
SMALLER = SessionState(**{**READY.__dict__, "tries": (ANSWERING, _try(SPLIT, None, seconds=8.4))})


def window_states() -> dict[str, tuple[int, Callable[[Contents], None]]]:
    """Name → the page and what brings the window into the state."""

    def shown(state: SessionState) -> Callable[[Contents], None]:
        return lambda made: made.chat._session._show(state)

    return {
        "run-walking": (CHAT, shown(WALKING)),
        "run-ready": (CHAT, shown(SessionState(**{**READY.__dict__, "tries": READY.tries[2:]}))),
        "run-fell-back": (CHAT, shown(READY)),
        "run-smaller": (CHAT, shown(SMALLER)),
        "run-locked": (CHAT, shown(_locked(SessionState(**{**READY.__dict__, "tries": ()})))),
        "run-warning": (CHAT, shown(SessionState(**{**WARNED.__dict__, "tries": ()}))),
        "run-freed": (CHAT, shown(SessionState("idle", TARGET, ladder=LADDER, unloaded="freed"))),
        "run-idle": (CHAT, shown(SessionState("idle", TARGET, ladder=LADDER, unloaded="idle"))),
        "run-failed": (CHAT, shown(FAILED)),
        "run-locked-failed": (CHAT, shown(LOCKED_FAILED)),
        "run-no-engine": (CHAT, shown(NO_ENGINE)),
    }


def dialog_states() -> dict[str, SessionState]:
    """Name → what the dialog behind the badge shows."""
    return {
        "run-details-walking": WALKING,
        "run-details-gpu": READY,
        "run-details-cpu": READY_CPU,
        "run-details-nf4": READY_NF4,
        "run-details-locked": _locked(READY),
        "run-details-warned": WARNED,
        "run-details-failed": FAILED,
        "run-details-idle": SessionState("idle", TARGET, ladder=LADDER, unloaded="idle"),
    }


def open_details(made: Contents, state: SessionState) -> QDialog:
    """The dialog behind the badge."""
    made.chat._session._show(state)
    made.badge.open_details()
    assert made.badge.dialog is not None
    return made.badge.dialog
