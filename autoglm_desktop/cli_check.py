"""``autoglm-desktop check``: the conclusion first, then the machine, the ladder, and what to do next."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from . import cli_measure, cli_offer
from .cli_layout import Style, columns, cut, pad, paragraph, table
from .core.check_values import FAIL, WARN, Check
from .core.limits import best_gpu
from .core.machine import Disk, Machine
from .core.rungs import ModelPlan, RungPlan
from .core.units import format_bytes
from .i18n import _
from .texts import check as check_texts
from .texts import errors as error_texts
from .texts import ladder as ladder_texts
from .texts import next_steps, reasons
from .texts import whatif as whatif_texts
from .texts.values import labelled
from .usecases.check import CheckOptions, CheckResult, Planned
from .usecases.check_json import to_json
from .usecases.services import Services, create_services

VERDICT_MARKS = {
    "runs_well": ("✔", "green"),
    "runs": ("✔", "green"),
    "slow": ("~", "yellow"),
    "cannot": ("✘", "red"),
}
MAX_WIDTH = 100


async def run(options: argparse.Namespace) -> int:
    """The command: the check as text, or as one JSON document."""
    wanted = CheckOptions(
        target=options.target,
        machine_file=Path(options.machine) if options.machine else None,
        wish=options.wish,
        context=options.context,
        variant=options.variant,
        order=options.order,
    )
    here = options.measure or options.fetch_headers or options.forget_measurements
    if wanted.machine_file is not None and here:
        said = _(
            "--measure, --forget-measurements and --fetch-headers are for this machine; leave out --machine"
        )
        print(said, file=sys.stderr)
        return 2
    services = create_services()
    result = await cli_measure.prepared(services, wanted, options)
    if options.json:
        print(json.dumps(to_json(result), ensure_ascii=False, indent=1, allow_nan=False))
    else:
        await show(services, result)
    return 0


async def show(services: Services, result: CheckResult) -> None:
    """The check as text on stdout, with the engine that this machine should have."""
    width = min(shutil.get_terminal_size((MAX_WIDTH, 24)).columns, MAX_WIDTH)
    print(render(result, width, has_colour()))
    offered = await cli_offer.after_check(services, result)
    if offered is not None:
        print(f"\n{offered}")  # not broken: it holds a command to copy


def has_colour() -> bool:
    """Whether stdout is a terminal that wants colours (``NO_COLOR`` turns them off)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render(result: CheckResult, width: int = MAX_WIDTH, colour: bool = False) -> str:
    """The check for people, at most ``width`` columns wide."""
    style = Style(colour)
    pairs = list(zip(result.models, result.subjects, strict=True))
    parts: list[list[str]] = [_headline(*pairs[0], width, style)] if pairs else []
    parts += [_machine(result, width, style), _problems(result, width, style)]
    parts += [_ladder(model, width, style) for model, _subject in pairs[:1]]
    parts += [_further(model, subject, result.models[0], width, style) for model, subject in pairs[1:]]
    parts += [_helps(result, width, style), _next(result, width, style)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _headline(model: ModelPlan, subject: Planned, width: int, style: Style) -> list[str]:
    mark, hue = VERDICT_MARKS[model.verdict]
    title = _("{model}, {wish}: {verdict}").format(
        model=subject.title,
        wish=ladder_texts.wish_text(model.wish),
        verdict=ladder_texts.verdict_text(model),
    )
    lines = [style.paint(f"{mark} {cut(title, width - 2)}", hue, "bold")]
    return lines + paragraph(reasons.text(model.headline), width, indent="  ")


def _further(model: ModelPlan, subject: Planned, first: ModelPlan, width: int, style: Style) -> list[str]:
    """A model after the first: its conclusion, in a line where it is the same."""
    if (model.wish, model.verdict, model.headline) == (first.wish, first.verdict, first.headline):
        return paragraph(_("The same holds for {model}.").format(model=subject.title), width)
    return _headline(model, subject, width, style)


def _machine(result: CheckResult, width: int, style: Style) -> list[str]:
    """The machine in four lines, and what was measured on it."""
    machine = result.machine
    title = _("The machine in the file") if result.described else _("This machine")
    rows = [
        ("GPU", _gpu(machine)),
        ("CPU", _cpu(machine)),
        (_("RAM"), _ram(machine)),
        (_("Disk"), _disk(machine)),
    ]
    measured = cli_measure.known_lines(result)
    name = _("Measured") if measured else ""
    label = max(columns(name) for name, _text in (*rows, (name, ""))) + 2
    lines = [style.paint(_with_system(title, machine), "bold")]
    lines += [f"  {pad(name, label)}{cut(text, width - label - 2)}" for name, text in rows]
    for text in measured:
        first, *rest = paragraph(text, width, indent=" " * (label + 2))
        lines += [f"  {pad(name, label)}{first.lstrip()}", *rest]
        name = ""
    return lines


def _with_system(title: str, machine: Machine) -> str:
    name, version = machine.os.name or "", machine.os.version or ""
    system = version if name and name in version else f"{name} {version}".strip()
    return f"{title} ({system})" if system else title


def _gpu(machine: Machine) -> str:
    gpu = best_gpu(machine)
    if gpu is None:
        return _("none found")
    parts = [gpu.name or gpu.vendor]
    if gpu.memory_free_bytes is not None and gpu.memory_total_bytes is not None:
        parts.append(_free_of(gpu.memory_free_bytes, gpu.memory_total_bytes))
    elif gpu.memory_total_bytes is not None:
        parts.append(format_bytes(gpu.memory_total_bytes))
    if gpu.driver_version:
        parts.append(_("driver {version}").format(version=gpu.driver_version))
    if len(machine.gpus) > 1:
        parts.append(_("and {count} more").format(count=len(machine.gpus) - 1))
    return " · ".join(parts)


def _free_of(free: int, total: int) -> str:
    return _("{free} of {total} free").format(free=format_bytes(free), total=format_bytes(total))


def _cpu(machine: Machine) -> str:
    cpu = machine.cpu
    parts = [cpu.name or _("not known")]
    if cpu.physical_cores is not None:
        parts.append(_("{count} cores").format(count=cpu.physical_cores))
    notable = [name.upper() for name in ("amx_int8", "avx512f", "avx2", "neon") if name in cpu.features]
    return " · ".join(parts + notable[:1])


def _ram(machine: Machine) -> str:
    memory = machine.memory
    if memory.total_bytes is None:
        return _("not known")
    if memory.available_bytes is None:
        return format_bytes(memory.total_bytes)
    return _free_of(memory.available_bytes, memory.total_bytes)


def _disk(machine: Machine) -> str:
    if not machine.disks:
        return _("not known")
    disk: Disk = machine.disks[0]
    kinds = {"nvme": "NVMe", "sata_ssd": "SATA SSD", "hdd": _("hard disk")}
    parts = []
    if disk.free_bytes is not None:
        parts.append(_("{free} free").format(free=format_bytes(disk.free_bytes)))
    parts += [kinds[disk.kind]] if disk.kind in kinds else []
    return " · ".join([*parts, disk.path])


def _problems(result: CheckResult, width: int, style: Style) -> list[str]:
    """What is not as it should be, with what to do about it."""
    found = [check for check in result.checks if check.status in (FAIL, WARN)]
    system = check_texts.system_of(result.machine.os)
    lines: list[str] = []
    for check in found:
        lines += _problem(check, system, width, style)
    return [style.paint(_("To look at"), "bold"), *lines] if lines else []


def _problem(check: Check, system: str | None, width: int, style: Style) -> list[str]:
    text = labelled(check_texts.name_text(check), check_texts.sentence(check))
    first, *rest = paragraph(text, width, indent="    ")
    mark = style.paint("✘", "red") if check.status == FAIL else style.paint("!", "yellow")
    lines = [f"  {mark} {first[4:]}", *rest]
    advice = check_texts.advice(check.advice, system)
    return lines + (paragraph(advice, width, indent="      ") if advice else [])


def _ladder(model: ModelPlan, width: int, style: Style) -> list[str]:
    """The ladder as a table: a mark, the way, variant, memory, tokens/s, and why or how."""
    heads = ["", _("way"), _("variant"), _("GPU"), _("RAM"), _("tokens/s"), ""]
    possible = [plan for plan in model.ladder if plan.status != "unavailable"]
    rows = [_row(plan, model) for plan in possible]
    paints = [style if plan.status == "fits" else style.dimmed() for plan in possible]
    lines = [style.paint(_("Ways to run it"), "bold")]
    lines += table(heads, rows, width, paints) if rows else []
    lines += _impossible(model, width, style)
    legend = [_("▶ would start now")] if model.chosen else []
    if model.recommended is not None and model.recommended.rung != model.chosen:
        legend.insert(0, _("★ recommended"))
    fitting = [plan for plan in possible if plan.status == "fits"]
    if any(plan.tokens_per_s is not None and plan.basis.speed == "estimated" for plan in fitting):
        legend.append(_("speeds are estimates from memory bandwidths"))
    if any(plan.tokens_per_s is None for plan in fitting):
        legend.append(_("– is not known yet"))
    note = paragraph(" · ".join(legend), width, indent="  ") if legend else []
    return lines + [style.paint(line, "dim") for line in note]


def _impossible(model: ModelPlan, width: int, style: Style) -> list[str]:
    """What cannot be used here whatever the memory, grouped by why."""
    groups: dict[str, list[str]] = {}
    for plan in model.ladder:
        if plan.status == "unavailable":
            groups.setdefault(ladder_texts.why_text(plan), []).append(ladder_texts.rung_name(plan))
    lines: list[str] = []
    for why, names in groups.items():
        first, *rest = paragraph(labelled(" · ".join(names), why), width, indent="     ")
        lines += [f"  ✘  {first[5:]}", *rest]
    return [style.dimmed().row(line) for line in lines]


def _row(plan: RungPlan, model: ModelPlan) -> list[str]:
    mark = "·" if plan.status == "fits" else "✘"
    if model.recommended is not None and plan.rung == model.recommended.rung:
        mark = "★"
    if plan.rung == model.chosen:
        mark = "▶"
    speed = ladder_texts.speed_text(plan) if plan.status == "fits" else ""
    return [
        mark,
        ladder_texts.rung_name(plan),
        ladder_texts.variant_text(plan),
        ladder_texts.memory_text(plan, ram=False),
        ladder_texts.memory_text(plan, ram=True),
        speed,
        ladder_texts.why_text(plan),
    ]


def _helps(result: CheckResult, width: int, style: Style) -> list[str]:
    """What would help the first model, in three lines at most; the whole table is in ``--json``."""
    found = whatif_texts.lines(result.advice.of(0))
    lines: list[str] = []
    for text in found:
        first, *rest = paragraph(text, width, indent="    ")
        lines += [f"  · {first[4:]}", *rest]
    if result.advice.problem is not None:
        lines += paragraph(error_texts.text(result.advice.problem), width, indent="  ")
    return [style.paint(_("What would help"), "bold"), *lines] if lines else []


def _next(result: CheckResult, width: int, style: Style) -> list[str]:
    """What to do now, as numbered commands."""
    steps = next_steps.steps(result)
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        first, *rest = paragraph(step, width, indent="     ")
        lines += [f"  {number}. {first[5:]}", *rest]
    return [style.paint(_("Next"), "bold"), *lines] if lines else []
