"""Downloads as sentences: for window and terminal. Pure."""

from __future__ import annotations

from ..core.downloads import Pulled, PullPlan, PullProgress
from ..core.errors import Reason
from ..core.outlook import NOTHING_JUDGED, RepositoryPlans
from ..core.repository import Offer
from ..core.units import GIB, KIB, MIB, format_bytes, format_seconds
from ..i18n import _, as_started, ngettext
from . import reasons
from .ladder import VERDICTS
from .values import listed

UNITS = ((GIB, "GiB", 1), (MIB, "MiB", 0), (KIB, "KiB", 0))
NAMES = {"huggingface": "Hugging Face", "hf-mirror": "hf-mirror.com", "modelscope": "ModelScope"}


def source_name(source: str) -> str:
    """A source as people know it; an address or a folder as it is."""
    return NAMES.get(source, source)


def amount(done: int, total: int | None) -> str:
    """``3.1 of 7.4 GiB``; without a total what has arrived."""
    if total is None:
        return format_bytes(done)
    for size, unit, digits in UNITS:
        if total >= size:
            return _("{done} of {total}").format(
                done=f"{done / size:.{digits}f}", total=f"{total / size:.{digits}f} {unit}"
            )
    return _("{done} of {total}").format(done=done, total=f"{total} B")


def rate(bytes_per_s: float) -> str:
    """``12 MB/s``: decimal, as connections are sold."""
    for size, unit in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if bytes_per_s >= size:
            value = bytes_per_s / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{bytes_per_s:.0f} B/s"


def time_left(seconds: float) -> str:
    """``6 min left``; coarse, as it is a guess."""
    if seconds < 10:
        return _("a few seconds left")
    if seconds < 55:
        return _("{count} s left").format(count=5 * round(seconds / 5))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{count} min left").format(count=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return _("{hours} h {minutes} min left").format(hours=hours, minutes=rest)
    return _("more than a day left")


def percent(progress: PullProgress) -> str:
    """``42 %``; 100 only when it is all there. Empty while unknown."""
    if progress.fraction is None:
        return ""
    return f"{min(int(progress.fraction * 100), 100 if progress.stage == 'done' else 99)} %"


def progress_line(progress: PullProgress) -> str:
    """``42 % · 3.1 of 7.4 GiB · 12 MB/s · 6 min left · from Hugging Face + ModelScope``; the most telling first, as
    a narrow terminal cuts the end off."""
    if progress.stage == "listing":
        return _("Looking at the source")
    parts = [percent(progress), amount(progress.done_bytes, progress.total_bytes)]
    if progress.notice is not None:
        parts.insert(1, reasons.text(progress.notice))
    waiting = [file.path for file in progress.files if file.phase == "waiting"]
    if waiting:
        parts.append(_("another instance fetches {name}; waiting for it").format(name=waiting[0]))
    elif progress.stage == "verify":
        parts.append(_("checking"))
    else:
        parts += _speed(progress)
    return " · ".join(part for part in parts if part)


def _speed(progress: PullProgress) -> list[str]:
    parts = [] if progress.rate is None else [rate(progress.rate)]
    if progress.time_left_s is not None:
        parts.append(time_left(progress.time_left_s))
    if progress.sources:
        parts.append(_("from {sources}").format(sources=" + ".join(map(source_name, progress.sources))))
    return parts


def plan_lines(plan: PullPlan) -> list[str]:
    """What will be fetched, how much, from where, to where; then what to know of it."""
    if plan.in_place is not None:
        text = _("{name} lies on this machine already, and is used there: {path}")
        return [text.format(name=name_of(plan), path=plan.in_place), *note_lines(plan.notes)]
    count = len(plan.files)
    size = _("unknown size") if plan.total_bytes is None else format_bytes(plan.total_bytes)
    text = ngettext("{name}: {count} file, {size}", "{name}: {count} files, {size}", count)
    first = text.format(name=name_of(plan), count=count, size=size)
    if plan.remaining_bytes and plan.remaining_bytes != plan.total_bytes:
        first += " " + _("({size} still to fetch)").format(size=format_bytes(plan.remaining_bytes))
    sources = listed(map(source_name, plan.sources))
    lines = [first, _("From {sources}, {repo}").format(sources=sources, repo=plan.repo)]
    return [*lines, _("To {folder}").format(folder=plan.folder), *note_lines(plan.notes)]


def name_of(plan: PullPlan) -> str:
    """``AutoGLM-Phone-9B Q4_K_M``"""
    return f"{plan.title} {plan.variant}".strip()


def pulled_text(pulled: Pulled) -> str:
    """What came of it, in one line."""
    plan = pulled.plan
    if not pulled.fetched_bytes:
        return _("{name} is complete: {folder}").format(
            name=name_of(plan), folder=plan.in_place or plan.folder
        )
    return _("{name} is complete: {size} fetched in {time}, {folder}").format(
        name=name_of(plan),
        size=format_bytes(pulled.fetched_bytes),
        time=format_seconds(pulled.seconds),
        folder=plan.folder,
    )


def unverified_text(pulled: Pulled) -> str:
    """Says so where a source gave no hash; empty where every file was compared with one."""
    names = [file.path for file in pulled.files if file.verified == "size"]
    if not names:
        return ""
    return _("Only the size could be checked, as no source gave a hash: {names}").format(names=listed(names))


def note_lines(notes: tuple[Reason, ...]) -> list[str]:
    """Each note as a line of its own, a sentence."""
    lines = []
    for note in dict.fromkeys(notes):
        text = reasons.text(note)
        lines.append(text[:1].upper() + text[1:].rstrip(".。") + _("."))
    return lines


def paused_text(progress: PullProgress | None) -> str:
    """After Ctrl-C."""
    share = percent(progress) if progress is not None else ""
    if not share:
        return _("Paused; the same command goes on.")
    return _("Paused at {percent}; the same command goes on.").format(percent=share)


def several_lines(
    target: str, offers: tuple[Offer, ...], found: RepositoryPlans = NOTHING_JUDGED
) -> list[str]:
    """The variants to choose from, each with the size of all its files and how it would run here."""
    lines = [_("{target} offers several variants; name one:").format(target=target)]
    for offer in offers:
        size = _("unknown size") if offer.size is None else format_bytes(offer.size)
        word = found.of(offer.id).word
        parts = [size, _(VERDICTS[word])] if word is not None else [size]
        parts += [_("recommended on this machine")] if offer.id == found.recommended else []
        lines.append(f"  {offer.id}  {' · '.join(parts)}")
    first = found.recommended or (offers[0].id if offers else None)
    example = as_started(f"autoglm-desktop pull {target}:{first}") if first is not None else ""
    return [*lines, _("For example: {command}").format(command=example)]
