"""What the Models page says of files and variants. Pure."""

from __future__ import annotations

from ...core.rungs import RungPlan
from ...core.units import format_bytes
from ...i18n import _, sentences
from ...texts import ladder as ladder_texts
from ...texts import reasons
from ...texts.next_steps import HUBS
from ...texts.values import labelled
from ...usecases.model_list import CatalogueEntry, FileEntry, VariantEntry

VERDICT_MARKS = {"runs_well": "ok", "runs": "ok", "slow": "warn", "cannot": "fail"}


def file_mark(entry: FileEntry) -> str:
    if entry.refusal is not None:
        return "fail"
    return VERDICT_MARKS[entry.plan.verdict] if entry.plan is not None else "unknown"


def file_mark_name(entry: FileEntry) -> str:
    """The word for the mark."""
    if entry.refusal is not None:
        return _("cannot be used")
    return ladder_texts.verdict_text(entry.plan) if entry.plan is not None else _("not known")


def file_facts(entry: FileEntry) -> str:
    """``Q4_K_M · 5.7 GiB · glm4 · with vision part``"""
    local = entry.local
    parts = [local.file_type or "", format_bytes(local.size_bytes), local.architecture]
    if local.projector is not None:
        parts.append(_("with vision part"))
    return " · ".join(part for part in parts if part)


def file_verdict(entry: FileEntry) -> str:
    """Whether and how it runs here, or why it is refused."""
    if entry.refusal is not None:
        return _("This file cannot be used: {why}.").format(why=reasons.text(entry.refusal))
    if entry.plan is None:
        return _("How it runs here is known when the system check is done.")
    return reasons.text(entry.plan.headline)


def variant_mark(entry: VariantEntry) -> str:
    plan = entry.plan
    if plan is None or plan.status == "unavailable":
        return "unknown"
    if plan.status == "too_big":
        return "fail"
    return VERDICT_MARKS[entry.verdict] if entry.verdict is not None else "warn"


def variant_mark_name(entry: VariantEntry) -> str:
    """The word for the mark."""
    if entry.verdict is not None:
        return _(ladder_texts.VERDICTS[entry.verdict])
    return ladder_texts.status_text(entry.plan) if entry.plan is not None else _("not known")


def variant_verdict(entry: VariantEntry) -> str:
    """``GGUF, GPU · 22–29 tokens/s`` or what is in the way."""
    plan = entry.plan
    if plan is None:
        return "–"
    name = ladder_texts.rung_name(plan)
    if plan.status == "unavailable":
        return ladder_texts.why_text(plan)
    if plan.status != "fits":
        return labelled(name, ladder_texts.why_text(plan))
    if not entry.gguf:
        return _("{way}: fits, but this version runs GGUF files only").format(way=name)
    return f"{name} · {_speed(plan)}"


def _speed(plan: RungPlan) -> str:
    if plan.tokens_per_s is None:
        return _("speed not measured yet")
    return _("{speed} tokens/s").format(speed=ladder_texts.speed_text(plan))


def variant_size(entry: VariantEntry) -> str:
    return format_bytes(entry.bytes) if entry.bytes is not None else "–"


def source_host(entry: VariantEntry) -> str:
    """The place as one says it; empty where no public copy is evidenced."""
    return source_url(entry).removeprefix("https://").partition("/")[0]


def source_url(entry: VariantEntry) -> str:
    if entry.source is None:
        return ""
    return HUBS[entry.source.hub].format(repo=entry.source.repo)


def catalogue_summary(entry: CatalogueEntry) -> str:
    """What to take on this machine."""
    wish = ladder_texts.wish_text(entry.wish)
    plans = [variant.plan for variant in entry.variants if variant.plan is not None]
    if not plans:
        return _("What fits on this machine is known when the system check is done.")
    if entry.recommended is None:
        return _("None of its variants fits on this machine {wish}.").format(wish=wish)
    text = _("Recommended on this machine {wish}: {variant}.").format(wish=wish, variant=entry.recommended)
    if any(plan.tokens_per_s is not None and plan.basis.speed == "estimated" for plan in plans):
        text = sentences(text, _("Speeds are estimates."))
    return text
