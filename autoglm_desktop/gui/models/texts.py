"""What the Models page says of files and variants. Pure."""

from __future__ import annotations

from ...core.errors import Reason
from ...core.outlook import Judged, RepositoryPlans
from ...core.repository import SAFETENSORS, Offer
from ...core.rungs import RungPlan
from ...core.units import format_bytes
from ...core.verdict import CANNOT
from ...i18n import _, ngettext, sentences
from ...store.local_models import NOT_RUN
from ...texts import ladder as ladder_texts
from ...texts import reasons
from ...texts.next_steps import HUBS
from ...texts.values import labelled
from ...usecases.model_list import CatalogueEntry, FileEntry, VariantEntry

VERDICT_MARKS = {"runs_well": "ok", "runs": "ok", "slow": "warn", "cannot": "fail"}


def not_run(entry: FileEntry) -> bool:
    """Whether nothing is wrong with it, but nothing here can run it."""
    return entry.refusal is not None and entry.refusal.code in NOT_RUN


def file_mark(entry: FileEntry) -> str:
    if entry.refusal is not None:
        return "unknown" if not_run(entry) else "fail"
    return VERDICT_MARKS[entry.plan.verdict] if entry.plan is not None else "unknown"


def file_mark_name(entry: FileEntry) -> str:
    """The word for the mark."""
    if entry.refusal is not None:
        return _("not supported") if not_run(entry) else _("cannot be used")
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
    if not_run(entry) and entry.refusal is not None:
        return _("It is complete, but cannot be run: {why}.").format(why=reasons.text(entry.refusal))
    if entry.refusal is not None:
        return _("This file cannot be used: {why}.").format(why=reasons.text(entry.refusal))
    if entry.plan is None:
        return _("How it runs here is known when the system check is done.")
    return reasons.text(entry.plan.headline)


def variant_mark(entry: VariantEntry) -> str:
    plan = entry.plan
    if plan is None:
        return "fail" if entry.verdict == CANNOT else "unknown"
    if plan.status == "unavailable":
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
        return reasons.text(entry.headline) if entry.headline is not None else "–"
    name = ladder_texts.rung_name(plan)
    if plan.status == "unavailable":
        return ladder_texts.why_text(plan)
    if plan.status != "fits":
        return labelled(name, ladder_texts.why_text(plan))
    return f"{name} · {_speed(plan)}"


def _speed(plan: RungPlan) -> str:
    if plan.tokens_per_s is None:
        return _("speed not measured yet")
    return _("{speed} tokens/s").format(speed=ladder_texts.speed_text(plan))


def offer_entry(offer: Offer, found: Judged, *, judged: bool) -> VariantEntry:
    """A repository's variant as one of the catalogue's."""
    size, gguf = offer.size, offer.id != SAFETENSORS
    return VariantEntry(
        offer.id, size, False, None, found.plan, found.word, gguf, found.headline, judged=judged
    )


def offer_size(offer: Offer) -> str:
    return format_bytes(offer.size) if offer.size is not None else _("size not known")


def files_text(offer: Offer, *, short: bool = False) -> str:
    """``2 files, with the vision part mmproj-F16.gguf``; ``short``: without its name."""
    count = len(offer.all_files)
    files = ngettext("{count} file", "{count} files", count).format(count=count)
    beside = [file.name for file in offer.beside if file.path.lower().endswith(".gguf")]
    if not beside:
        return files
    if short:
        return _("{files}, with a vision part").format(files=files)
    return _("{files}, with the vision part {name}").format(files=files, name=beside[0])


def repository_summary(found: RepositoryPlans) -> str:
    """What to take of a repository on this machine; empty where nothing is known of it."""
    if not found.judged or found.wish is None:
        return ""
    wish = ladder_texts.wish_text(found.wish)
    if found.recommended is None:
        return _("None of its variants fits on this machine {wish}.").format(wish=wish)
    text = _("Recommended on this machine {wish}: {variant}.").format(wish=wish, variant=found.recommended)
    return sentences(text, _("Speeds are estimates.")) if _estimated(found) else text


def _estimated(found: RepositoryPlans) -> bool:
    plans = [one.plan for one in found.judged.values() if one.plan is not None]
    return any(plan.tokens_per_s is not None and plan.basis.speed == "estimated" for plan in plans)


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


def recommended(entry: CatalogueEntry) -> VariantEntry | None:
    """The variant to get on this machine."""
    return next((variant for variant in entry.variants if variant.id == entry.recommended), None)


def recommended_installed(entry: CatalogueEntry) -> bool:
    found = recommended(entry)
    return found is not None and found.installed


def target(entry: CatalogueEntry, variant: VariantEntry) -> str:
    """As ``pull`` takes it."""
    return f"{entry.model.id}:{variant.id}"


def get_size(entry: CatalogueEntry, variant: VariantEntry) -> str:
    """What a download brings, with the vision part; empty while unknown."""
    if variant.plan is not None and variant.plan.variant == variant.id and variant.plan.download_bytes:
        return format_bytes(variant.plan.download_bytes)
    if variant.bytes is None:
        return ""
    if not variant.gguf or entry.model.projector is None:
        return format_bytes(variant.bytes)
    more = projector_bytes(entry)
    if more is None:
        return _("over {size}").format(size=format_bytes(variant.bytes))
    return format_bytes(variant.bytes + more)


def projector_bytes(entry: CatalogueEntry) -> int | None:
    """None where there is none, or where its size is not known."""
    projector = entry.model.projector
    return projector.file_bytes.value if projector is not None else None


def size_tip(entry: CatalogueEntry, variant: VariantEntry) -> str:
    """What belongs to a size."""
    more = projector_bytes(entry)
    if not variant.gguf or variant.bytes is None or entry.model.projector is None:
        return ""
    if more is None:
        return _("{size}, and a vision part whose size is not known").format(size=format_bytes(variant.bytes))
    return _("{size}, and {more} for the vision part").format(
        size=format_bytes(variant.bytes), more=format_bytes(more)
    )


def notes(entry: CatalogueEntry) -> list[str]:
    """What should be read before a download."""
    return [reasons.text(Reason.of(code)) for code in entry.model.notes]
