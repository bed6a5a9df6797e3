"""What would help, in words, and what it costs."""

from __future__ import annotations

from ..core.help_values import PURCHASES, Help, Outcome
from ..core.prices import Part
from ..core.units import format_bytes
from ..core.verdict import RUNS_WELL
from ..i18n import N_, _, as_started
from .ladder import VERDICTS
from .values import fill, labelled, listed, seconds, tokens_per_s

MOST_LINES = 3

CHANGES: dict[str, str] = {
    "update_driver": N_("A newer driver, {driver} or later"),
    "close_programs": N_("Close {programs} to free {bytes} of GPU memory"),
    "close_ram_programs": N_("Close {programs} to free {bytes} of RAM"),
    "q8_projector": N_("The vision projector in 8 bits (Q8_0)"),
    "smaller_variant": N_("The smaller variant {variant}"),
    "smaller_screenshots": N_("Smaller screenshots, {screenshot}"),
    "more_ram": N_("{size} of RAM"),
    "other_gpu": N_("Another graphics card, such as {gpu}"),
}
CONDITIONS: dict[str, str] = {"new": N_("new"), "used": N_("used")}


def lines(helps: tuple[Help, ...]) -> list[str]:
    """At most MOST_LINES sentences, the best of each kind; where it runs well already, nothing to buy."""
    return [sentence(one) for one in chosen(helps)[:MOST_LINES]]


def chosen(helps: tuple[Help, ...]) -> list[Help]:
    """The best of each kind, in their order; where it runs well already, nothing to buy."""
    found: dict[str, Help] = {}
    for one in helps:
        if one.kind not in PURCHASES or one.before.verdict != RUNS_WELL:
            found.setdefault(one.kind, one)
    return list(found.values())


def sentence(one: Help) -> str:
    """``Another graphics card, such as RTX 3060 12 GB: runs well, 9 s–11 s (estimate) for one step on the phone;
    price USD 170–220 (used, 2026-02)``"""
    if one.after is None:
        command = as_started("autoglm-desktop check --measure")
        return _("The speed is not known; measure it: {command}").format(command=command)
    text = labelled(change(one), result(one))
    return text if one.kind not in PURCHASES else _("{text}; {price}").format(text=text, price=price(one))


def change(one: Help) -> str:
    """What is changed."""
    programs = (
        _("{program} ({size})").format(program=held.name, size=format_bytes(held.memory_bytes))
        for held in one.programs
    )
    values = {
        "programs": listed(programs),
        "bytes": format_bytes(one.bytes or 0),
        "size": f"{(one.bytes or 0) // 1024**3} GB",
        "variant": one.variant or "?",
        "screenshot": one.screenshot or "?",
        "gpu": one.gpu or "?",
        "driver": one.driver or "?",
    }
    return fill(_(CHANGES[one.kind]), values)


def result(one: Help) -> str:
    """What it leads to, with today's figure where both are known."""
    after = one.after
    if after is None:
        return "?"
    parts = [_(VERDICTS[after.verdict])]
    figure, before = _figure(after), _figure(one.before)
    if figure is not None and before is not None:
        figure = _("{after} instead of {before}").format(after=figure, before=before)
    if figure is not None:
        phone = after.phone_step_s is not None
        parts.append(_("{time} for one step on the phone").format(time=figure) if phone else figure)
    return listed(parts)


def _figure(result: Outcome) -> str | None:
    if result.phone_step_s is not None:
        return seconds(result.phone_step_s, measured=result.measured)
    if result.tokens_per_s is not None:
        return tokens_per_s(result.tokens_per_s, measured=result.measured)
    return None


def price(one: Help) -> str:
    """What it costs in every currency that has a price; never converted."""
    if not one.parts:
        return _("price not known")
    return _("price {prices}").format(prices=listed(_price(part) for part in one.parts))


def _price(part: Part) -> str:
    if part.value is None and part.low is not None and part.high is not None and part.low < part.high:
        amount = f"{part.low:,.0f}–{part.high:,.0f}"
    else:
        amount = f"{part.price or 0:,.0f}"
    return _("{currency} {amount} ({title}, {date})").format(
        currency=part.currency,
        amount=amount,
        title=part.title if part.kind == "ram" else _(CONDITIONS[part.condition]),
        date=part.date,
    )
