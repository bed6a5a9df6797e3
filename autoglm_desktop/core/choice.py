"""Which plan is better: within a variant, among variants, over the whole ladder. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .rungs import RUNGS, RungPlan
from .subject import QUALITY_ORDER, at_least_4_bits
from .verdict import RUNS, RUNS_WELL, SLOW, judge

CLOSE = 1.03
"""Placements of one variant within 3 % of its fastest count as equally fast: the less quantised KV cache is then
preferred. The times are estimates, and know nothing of what dequantising the cache costs."""

ACCURACY = 1.15
"""How exact a predicted speed is (docs/measured.md, planner). Of variants of which none runs, those within it count as
equally slow, and the better one is taken: 230 seconds instead of 255 are not worth half the bits."""

UNMEASURED_ORDER = ("Q4_K_M", "Q4_0", "IQ4_XS", "Q5_K_M", "Q6_K", "Q8_0")
"""Where speeds are unknown: the variant that is in use on small cards, then smaller, then larger ones."""

SMALL_CONTEXT = "small_context"
"""The reason of a plan that fits with less than the wish's context only."""

DESIGNED, FASTEST, QUALITY = "designed", "fastest", "quality"
ORDERS = (DESIGNED, FASTEST, QUALITY)
"""What to prefer: quality as far as it runs well; speed; quality as far as it runs at all."""

_ORDER_NAMES = {"transformers-16bit": "16-bit", "transformers-nf4": "nf4"}


def cost(plan: RungPlan) -> float | None:
    """Seconds that matter: a phone step, else one token. None where unknown."""
    if plan.phone_step is not None:
        return plan.phone_step_s
    return 1 / plan.tokens_per_s if plan.tokens_per_s else None


def best_placement(plans: Sequence[RungPlan]) -> RungPlan | None:
    """The fastest placement of one variant, nearly equal ones by the better KV cache.

    While a phone step's time is unknown: pictures on the GPU first (a CPU takes minutes), then decoding.
    """
    if not plans:
        return None
    known = [(seconds, plan) for plan in plans if (seconds := cost(plan)) is not None]
    unknown_on_gpu = any(plan.projector == "gpu" and cost(plan) is None for plan in plans)
    if not known or (unknown_on_gpu and all(plan.projector == "cpu" for _seconds, plan in known)):
        on_gpu = [plan for plan in plans if plan.projector == "gpu"] or list(plans)
        known = [(_unmeasured_cost(plan), plan) for plan in on_gpu]
    least = min(seconds for seconds, _ in known)
    close = [plan for seconds, plan in known if seconds <= least * CLOSE]
    return max(
        close, key=lambda plan: (plan.kv_type == "f16", plan.projector_type != "q8_0", plan.gpu_layers or 0)
    )


def best(plans: Sequence[RungPlan], wish: str, order: str = DESIGNED) -> RungPlan | None:
    """The plan to show or recommend: among variants of at least 4 bits the first in the order of
    quality that runs well, else the fastest that runs, else the same below 4 bits, else the fastest.

    A plan whose speed is unknown comes after those that run, but 4 unmeasured bits before fewer, measured ones.
    ``order`` FASTEST takes the fastest of at least 4 bits, QUALITY the first in the order of quality that runs.
    """
    for group in (_four_bits(plans), [p for p in plans if not at_least_4_bits(quality_name(p))]):
        well = [plan for plan in group if judge(plan, wish) == RUNS_WELL]
        runs = [plan for plan in group if judge(plan, wish) == RUNS]
        if order == QUALITY and (well or runs):
            return min([*well, *runs], key=lambda plan: (quality_rank(plan), _rung_rank(plan)))
        if well:
            if order == FASTEST:
                return _fastest(well)
            return min(well, key=lambda plan: (quality_rank(plan), _rung_rank(plan)))
        if runs:
            return _fastest(runs)
        unknown = [plan for plan in group if cost(plan) is None]
        if unknown:
            return min(unknown, key=_unmeasured_rank)
    return _least_slow(plans) if plans else None


def recommended(plans: Sequence[RungPlan], wish: str, order: str = DESIGNED) -> RungPlan | None:
    """The best over all rungs and variants that fit: each variant on the rung where it is fastest."""
    per_variant: dict[str, list[RungPlan]] = {}
    for plan in plans:
        per_variant.setdefault(quality_name(plan), []).append(plan)
    return best([_best_rung(found, wish) for found in per_variant.values()], wish, order)


def nearest(plans: Sequence[RungPlan]) -> RungPlan | None:
    """Of plans that are too big the one that lacks least, of equal ones the smallest; None where none is."""
    too_big = [plan for plan in plans if plan.status == "too_big"]
    return min(too_big, key=lambda plan: (_shortage(plan), _whole(plan)), default=None)


def quality_name(plan: RungPlan) -> str:
    """The name that the order of quality uses."""
    if plan.rung.startswith("transformers"):
        return _ORDER_NAMES.get(plan.rung, plan.rung)
    return plan.variant or ""


def quality_rank(plan: RungPlan) -> int:
    name = quality_name(plan)
    return QUALITY_ORDER.index(name) if name in QUALITY_ORDER else len(QUALITY_ORDER)


def _four_bits(plans: Sequence[RungPlan]) -> list[RungPlan]:
    return [plan for plan in plans if at_least_4_bits(quality_name(plan))]


def _fastest(plans: Sequence[RungPlan]) -> RungPlan:
    """The fastest; of equally fast ones the better variant."""
    return min(plans, key=lambda plan: (cost(plan) or 0.0, quality_rank(plan), _rung_rank(plan)))


def _least_slow(plans: Sequence[RungPlan]) -> RungPlan:
    """The fastest; of those within ACCURACY of it the better variant."""
    least = min(cost(plan) or 0.0 for plan in plans)
    close = [plan for plan in plans if (cost(plan) or 0.0) <= least * ACCURACY]
    return min(close, key=lambda plan: (quality_rank(plan), _rung_rank(plan)))


def _best_rung(plans: Sequence[RungPlan], wish: str) -> RungPlan:
    """One variant's rung: the fastest where that is known, of those with the wish's whole context if there are; else
    the first in the ladder's order. A GPU of unknown speed is tried before what is known to be slow."""
    known = [plan for plan in plans if cost(plan) is not None]
    unknown = [plan for plan in plans if cost(plan) is None and plan.rung in ("gguf-gpu", "gguf-split")]
    if unknown and all(judge(plan, wish) == SLOW for plan in known):
        return min(unknown, key=_rung_rank)
    whole = [plan for plan in known if plan.reason is None or plan.reason.code != SMALL_CONTEXT]
    return _fastest(whole or known) if known else min(plans, key=_rung_rank)


def _unmeasured_cost(plan: RungPlan) -> float:
    """An order without a known step: decoding speed, else layers on the GPU."""
    if plan.tokens_per_s:
        return 1 / plan.tokens_per_s
    return 1.0 / (1 + (plan.gpu_layers or 0))


def _unmeasured_rank(plan: RungPlan) -> tuple[bool, int, int]:
    """All on the GPU before a split before the CPU; then the variant people use; transformers last, since
    nothing public tells its speed."""
    rank = {"gguf-gpu": 0, "gguf-split": 1, "gguf-cpu": 2, "gguf-cpu-safe": 3}.get(plan.rung, 4)
    known = plan.variant in UNMEASURED_ORDER
    order = UNMEASURED_ORDER.index(plan.variant or "") if known else len(UNMEASURED_ORDER)
    return (not at_least_4_bits(quality_name(plan)), rank, order)


def _rung_rank(plan: RungPlan) -> int:
    return RUNGS.index(plan.rung)


def _whole(plan: RungPlan) -> int:
    return sum(device.total for device in plan.memory.values())


def _shortage(plan: RungPlan) -> int:
    values = plan.reason.as_dict() if plan.reason is not None else {}
    short = values.get("short_bytes")
    return short if isinstance(short, int) else 0
