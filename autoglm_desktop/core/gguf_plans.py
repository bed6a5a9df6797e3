"""Placements of a GGUF on a machine: KV type x projector's place x layers on the GPU; the best one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from . import choice, speed
from .errors import Reason
from .machine import Disk, Gpu, Machine
from .memory import IMAGE_TOKENS, Budget, Placement, gguf_memory, gpu_budget, kv_bytes, kv_on_gpu, ram_budget
from .rungs import Basis, CrashNote, DeviceMemory, EngineState, RungPlan
from .subject import GgufWeights, Subject
from .wishes import PHONE_CONTEXT, Need

KV_TYPES = ("f16", "q8_0")
SMALL_CONTEXT_REPLY_TOKENS = 2_500


@dataclass(frozen=True)
class Setting:
    """A machine, what is planned on it, and what for. ``gpu``: the one card that plans use."""

    machine: Machine
    subject: Subject
    need: Need
    gpu: Gpu | None
    engines: tuple[EngineState, ...] = ()
    crashes: tuple[CrashNote, ...] = ()

    @cached_property
    def gpu_budget(self) -> Budget | None:
        return gpu_budget(self.gpu, self.machine) if self.gpu is not None else None

    @cached_property
    def ram_budget(self) -> Budget:
        return ram_budget(self.machine)

    @property
    def disk(self) -> Disk | None:
        return self.machine.disks[0] if self.machine.disks else None

    def with_status(self, plan: RungPlan) -> RungPlan:
        """``fits`` or ``too_big`` by the plan's memory, with what is missing where."""
        status, reason = _status(self, plan.memory)
        return replace(plan, status=status, reason=reason)


def layers_of(subject: Subject) -> int:
    """llama.cpp's ``n_gpu_layers`` for everything: the layers and the output."""
    return subject.shape.layers + 1


def best_plan(setting: Setting, rung: str, weights: GgufWeights) -> RungPlan | None:
    """The best placement of one variant on a GGUF rung; the nearest one (``too_big``) where none fits.

    None where the rung needs a GPU whose memory is not known.
    """
    needs_gpu = rung in ("gguf-gpu", "gguf-split")
    if needs_gpu and (setting.gpu_budget is None or setting.gpu_budget.limit is None):
        return None
    if not needs_gpu and setting.ram_budget.limit is None:
        return None
    nearest: list[RungPlan] = []
    for context in setting.need.contexts:
        plans = list(_placements(setting, rung, weights, context))
        fitting = [plan for plan in plans if plan.status == "fits"]
        nearest += [plan for plan in plans if plan.status != "fits"]
        found = choice.best_placement(fitting)
        if found is not None:
            return _noted(setting, _roomier(setting, found, weights))
    return choice.nearest(nearest)


def plan_at(
    setting: Setting,
    rung: str,
    weights: GgufWeights,
    context: int,
    kv_type: str,
    projector: str,
    gpu_layers: int,
) -> RungPlan:
    """One placement with its memory, speeds and whether it fits."""
    place = Placement(context, kv_type, gpu_layers, projector, repack=rung == "gguf-cpu")
    plan = RungPlan(
        rung,
        variant=weights.variant,
        dtype=weights.variant,
        installed=_installed(setting, weights),
        download_bytes=_download(setting, weights),
        context=context,
        kv_type=kv_type,
        gpu_layers=gpu_layers,
        projector=projector,
        memory=gguf_memory(
            setting.subject.shape, weights, setting.subject.projector, place,
            setting.gpu_budget if gpu_layers else None, setting.ram_budget, setting.machine.cpu.features,
        ),
        load_s=speed.load(_file_bytes(setting, weights), setting.disk),
        phone_step=setting.need.step if projector != "none" else None,
        basis=Basis(memory=setting.subject.memory_basis, speed="estimated"),
    )  # fmt: skip
    return setting.with_status(_with_speeds(setting, plan, weights, place))


def _with_speeds(setting: Setting, plan: RungPlan, weights: GgufWeights, place: Placement) -> RungPlan:
    """The plan with the estimates of ``core.speed``."""
    tokens_s = speed.decode(_reads(setting, weights, place), setting.gpu, setting.machine.cpu)
    if tokens_s is not None and plan.rung == "gguf-cpu-safe":
        tokens_s *= speed.SAFE_SHARE
    prompt_s = speed.prefill(setting.gpu, all_on_gpu=place.gpu_layers >= layers_of(setting.subject))
    image_s = step_s = None
    if plan.phone_step is not None:
        image_s = speed.image(setting.gpu, IMAGE_TOKENS, on_gpu=place.projector == "gpu")
        if place.context >= plan.phone_step.tokens:
            step_s = speed.phone_step(plan.phone_step, image_s, prompt_s, tokens_s)
    return replace(
        plan, tokens_per_s=tokens_s, prompt_tokens_per_s=prompt_s, image_s=image_s, phone_step_s=step_s
    )


def _placements(setting: Setting, rung: str, weights: GgufWeights, context: int) -> Iterator[RungPlan]:
    """KV types x projector places; of the layer counts that fit, the largest: fewer are never faster."""
    everything = layers_of(setting.subject)
    for kv_type in KV_TYPES:
        for projector in _projector_places(setting, rung):
            if rung == "gguf-split":
                most = everything if projector == "cpu" else everything - 1
                yield _most_layers(setting, weights, context, kv_type, projector, most)
            else:
                layers = everything if rung == "gguf-gpu" else 0
                yield plan_at(setting, rung, weights, context, kv_type, projector, layers)


def _projector_places(setting: Setting, rung: str) -> tuple[str, ...]:
    if setting.need.step is None:
        return ("none",)
    return {"gguf-gpu": ("gpu",), "gguf-split": ("gpu", "cpu")}.get(rung, ("cpu",))


def _most_layers(
    setting: Setting, weights: GgufWeights, context: int, kv_type: str, projector: str, most: int
) -> RungPlan:
    """The split with the most layers on the GPU that fits; with one layer where none does. Memory on the GPU
    grows with the layers, so halving finds it."""
    low, high = 1, most
    best = plan_at(setting, "gguf-split", weights, context, kv_type, projector, low)
    while low < high:
        middle = (low + high + 1) // 2
        plan = plan_at(setting, "gguf-split", weights, context, kv_type, projector, middle)
        if gpu_fits(setting, plan):
            low, best = middle, plan
        else:
            high = middle - 1
    return best


def gpu_fits(setting: Setting, plan: RungPlan) -> bool:
    budget = setting.gpu_budget
    return budget is None or budget.limit is None or _short(budget, plan.memory.get(budget.key)) <= 0


def _roomier(setting: Setting, plan: RungPlan, weights: GgufWeights) -> RungPlan:
    """The recommended context instead of the least where the same placement has room for it."""
    larger = setting.need.larger
    if larger is None or plan.context != setting.need.context or plan.gpu_layers is None:
        return plan
    wide = plan_at(
        setting, plan.rung, weights, larger, plan.kv_type or "f16", plan.projector, plan.gpu_layers
    )
    return wide if wide.status == "fits" else plan


def _noted(setting: Setting, plan: RungPlan) -> RungPlan:
    """Says that the context is below the wish's, and what that limits."""
    need, tokens = setting.need, plan.context
    if need.step is None or tokens is None or tokens >= min(PHONE_CONTEXT, need.context):
        return plan
    reason = Reason.of("small_context", tokens=tokens, reply_tokens=SMALL_CONTEXT_REPLY_TOKENS)
    return replace(plan, reason=reason)


def _reads(setting: Setting, weights: GgufWeights, place: Placement) -> speed.Reads:
    """What one token reads: every layer and the output, and the KV cache that is filled."""
    shape, table = setting.subject.shape, weights.table
    filled = kv_bytes(shape, min(setting.need.filled, place.context), place.kv_type)
    gpu = table.on_gpu(place.gpu_layers)
    gpu_kv = kv_on_gpu(shape, filled, place.gpu_layers)
    return speed.Reads(gpu=gpu + gpu_kv, ram=table.full_gpu - gpu + filled - gpu_kv)


def _needs_projector_file(setting: Setting) -> bool:
    return setting.need.step is not None


def _installed(setting: Setting, weights: GgufWeights) -> bool:
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None and not projector.installed:
        return False
    return weights.installed


def _download(setting: Setting, weights: GgufWeights) -> int | None:
    """Bytes still to fetch for this wish: with the projector where pictures are wanted."""
    total = 0 if weights.installed else weights.file_bytes
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None and not projector.installed:
        return None if projector.file_bytes is None else total + projector.file_bytes
    return total


def _file_bytes(setting: Setting, weights: GgufWeights) -> int | None:
    projector = setting.subject.projector
    if _needs_projector_file(setting) and projector is not None:
        return None if projector.file_bytes is None else weights.file_bytes + projector.file_bytes
    return weights.file_bytes


def _status(setting: Setting, memory: dict[str, DeviceMemory]) -> tuple[str, Reason | None]:
    """Of several devices that lack memory the reason names the one that lacks most."""
    gpu, ram = setting.gpu_budget, setting.ram_budget
    lacking: list[tuple[int, str, Budget, DeviceMemory]] = []
    for code, budget in (("gpu_memory_short", gpu), ("ram_short", ram)):
        device = memory.get(budget.key) if budget is not None else None
        if budget is not None and device is not None:
            lacking.append((_short(budget, device), code, budget, device))
    if setting.gpu is not None and setting.gpu.vendor == "apple":
        whole = DeviceMemory(total=sum(device.total for device in memory.values()))
        lacking.append((_short(ram, whole), "unified_memory_short", ram, whole))
    short, code, budget, device = max(lacking, key=lambda item: item[0])
    return _too_big(code, budget, device) if short > 0 else ("fits", None)


def _short(budget: Budget, device: DeviceMemory | None) -> int:
    """Bytes that are missing on a device; 0 and less: it fits."""
    if device is None or not device.total or budget.limit is None:
        return 0
    return device.total + budget.margin - budget.limit


def _too_big(code: str, budget: Budget, device: DeviceMemory) -> tuple[str, Reason]:
    need = device.total + budget.margin
    limit = budget.limit or 0
    reason = Reason.of(
        code, needed_bytes=need, free_bytes=limit, short_bytes=need - limit, margin_bytes=budget.margin,
        assumed=budget.available is None,
    )  # fmt: skip
    return "too_big", reason
