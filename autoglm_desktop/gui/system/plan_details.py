"""What stands behind a row of the ladder: memory by device and cause, layers, picture part, times, basis. Pure."""

from __future__ import annotations

from ...core.rungs import DeviceMemory, PhoneStep, RungPlan
from ...core.units import format_bytes, format_seconds
from ...i18n import N_, _
from ...texts.values import labelled, listed, range_text

CAUSES = (
    ("weights", N_("Weights")),
    ("kv_cache", N_("KV cache")),
    ("compute", N_("Compute")),
    ("projector", N_("Picture part")),
    ("overhead", N_("Overhead")),
    ("total", N_("Together")),
    ("margin", N_("Reserve")),
    ("available", N_("Free now")),
)
"""Fields of DeviceMemory with their heads."""
PROJECTOR_TYPES = {"f16": "F16", "q8_0": "Q8_0"}
MEMORY_BASES = {
    "dry_run": N_("Memory: as the engine laid it out in a dry run."),
    "header": N_("Memory: computed from the file's header."),
    "table": N_("Memory: computed from the model's shapes."),
}
SPEED_BASES = {
    "measured": N_("Speed: from measurements on this machine."),
    "estimated": N_("Speed: estimated from memory bandwidths."),
}

QUALITY = (
    (("bf16", "fp16", "F16", "BF16"), N_("very little is lost at 16 bit")),
    (("int8",), N_("8 bit in transformers loses a medium amount")),
    (("nf4", "Q4", "IQ4"), N_("4 bit loses 3 to 8 %")),
)
"""What published guides say of a precision (how a variant's name begins); of others they give no figure."""


def device_name(key: str) -> str:
    """``ram``, ``gpu:0`` for people."""
    return _("RAM") if key == "ram" else _("GPU {number}").format(number=key.partition(":")[2])


def memory_head() -> tuple[str, ...]:
    """The head of the table of memory, without the device's column."""
    return tuple(_(name) for _field, name in CAUSES)


def memory_rows(plan: RungPlan) -> tuple[tuple[str, ...], ...]:
    """A row per device: its name, then the bytes of every cause; nothing as ``–``."""
    return tuple((device_name(key), *_bytes(memory)) for key, memory in plan.memory.items())


def _bytes(memory: DeviceMemory) -> tuple[str, ...]:
    values = (getattr(memory, field) for field, _name in CAUSES)
    return tuple("–" if not value else format_bytes(value) for value in values)


def lines(plan: RungPlan) -> tuple[str, ...]:
    """What else is known of a plan, a sentence or fact each."""
    said = [_layers(plan), _projector(plan), *_times(plan), _phone_step(plan.phone_step), quality(plan)]
    if plan.memory:
        said.append(_(MEMORY_BASES[plan.basis.memory]))
    if plan.tokens_per_s is not None:
        said.append(_(SPEED_BASES[plan.basis.speed]))
    return tuple(text for text in said if text)


def has_details(plan: RungPlan) -> bool:
    return bool(plan.memory)


def _layers(plan: RungPlan) -> str:
    if not plan.layers_by_gpu:
        return ""
    parts = [labelled(device_name(key), str(count)) for key, count in plan.layers_by_gpu.items()]
    return labelled(_("Layers"), listed(parts))


def _projector(plan: RungPlan) -> str:
    if plan.projector == "none":
        return ""
    kind = PROJECTOR_TYPES.get(plan.projector_type or "", plan.projector_type or "")
    where = _("on the GPU") if plan.projector == "gpu" else _("on the CPU")
    return labelled(_("Picture part"), f"{kind} {where}".strip())


def quality(plan: RungPlan) -> str:
    """What a precision costs, as the published guides have it."""
    name = plan.dtype or plan.variant or ""
    for names, text in QUALITY:
        if name.startswith(names):
            said = _("{loss}, by published guides; not measured with this model").format(loss=_(text))
            return labelled(_("Quality"), said)
    return ""


def _times(plan: RungPlan) -> list[str]:
    """Reading, a picture, loading; what is not known is left out."""
    exact = plan.basis.speed == "measured"
    said = []
    if plan.prompt_tokens_per_s is not None:
        speed = range_text(plan.prompt_tokens_per_s, measured=exact)
        said.append(labelled(_("Reading"), _("{speed} tokens/s").format(speed=speed)))
    if plan.image_s is not None:
        seconds = range_text(plan.image_s, measured=exact)
        said.append(labelled(_("Looking at a picture"), _("{seconds} s").format(seconds=seconds)))
    if plan.load_s is not None:
        said.append(labelled(_("Loading, about"), format_seconds(plan.load_s)))
    return said


def _phone_step(step: PhoneStep | None) -> str:
    if step is None:
        return ""
    text = _("screenshot {image}, prompt {prompt} ({cached} of it kept), reply {reply} tokens").format(
        image=f"{step.image_tokens:,}",
        prompt=f"{step.prompt_tokens:,}",
        cached=f"{step.cached_tokens:,}",
        reply=f"{step.reply_tokens:,}",
    )
    return labelled(_("Phone step"), text)
