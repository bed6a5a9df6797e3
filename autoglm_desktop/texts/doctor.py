"""The report of ``doctor`` in words: the conclusions, then the raw part, all of it redacted."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable

from ..core import report
from ..core.check_values import OK, Check
from ..core.machine import Machine, to_json
from ..core.measured import Measurements
from ..core.redact import Redactor, words_of
from ..core.rungs import ModelPlan
from ..core.units import format_bytes
from ..host.crashes import Crash
from ..host.environments import Environment
from ..i18n import N_, _
from ..usecases.check import CheckResult, Planned
from ..usecases.doctor import Findings
from . import check as checks
from . import errors, ladder, measuring, reasons, session
from .values import labelled

MACHINE = "machine.json"
NOTES = (
    N_("Names, addresses, serial numbers, tokens and keys are replaced by (user), (host) and the like."),
    N_("Look through it before you send it: no program knows everything that is private."),
)


def report_text(findings: Findings) -> str:
    """The whole report, redacted."""
    machine = json.dumps(to_json(findings.machine), ensure_ascii=False, indent=1)
    sections = [report.Section(MACHINE, machine), *findings.sections]
    said = conclusions(findings)
    redactor = Redactor(dataclasses.replace(findings.identity, ordinary=ordinary(findings)))
    sections = [
        dataclasses.replace(one, text=redactor.redact(one.text, names=one.personal)) for one in sections
    ]
    return report.write(redactor.redact(said), sections)


def ordinary(findings: Findings) -> frozenset[str]:
    """The words that a report needs although somebody may be called so: those of the kernel and the drivers, of the
    machine's parts, and this program's own."""
    neutral = [one.text for one in findings.sections if not one.personal]
    machine = findings.machine
    parts = [*(gpu.name or "" for gpu in machine.gpus)]
    for part in (machine.cpu, machine.os, machine.runtime):
        parts += _strings(to_json(part))
    keys = _keys(to_json(Machine())) + _keys(to_json(machine))
    tables = (errors.TABLE, reasons.TABLE, checks.NAMES, checks.SENTENCES, ladder.RUNGS, ladder.VERDICTS)
    own = [template for table in tables for template in table.values()]
    advice = [text for choices in checks.ADVICE.values() for text in choices.values()]
    sentences = [*own, *advice, *NOTES]
    packages = [line.partition("==")[0] for line in findings.packages]
    return (
        findings.identity.ordinary
        | words_of([*neutral, *parts, *keys, *sentences, *packages, *(_(text) for text in sentences)])
        | words_of(one.name for one in findings.sections)
        | words_of(label for label in _labels())
    )


def conclusions(findings: Findings) -> str:
    """What this program thinks, most important first. Not redacted yet."""
    version, python = labelled("AutoGLM Desktop", findings.version), labelled("Python", findings.python)
    parts: list[list[str]] = [[version, python, _taken(findings), *map(_, NOTES)]]
    if findings.result is None:
        parts.append([labelled(_("The check failed"), findings.failed or "?")])
    else:
        parts += _of_check(findings.result)
    parts += [
        [_("Engines"), *(_engine(name, found) for name, found in findings.engines)],
        [_("Crashes remembered"), *map(_crash, findings.crashes)],
        [_("Measurements"), *(line for one in findings.measured for line in _measured(one))],
        [_("Packages"), *(f"  {line}" for line in findings.packages)],
        [_("End of the log"), *(f"  {line}" for line in findings.log)],
    ]
    shown = [part if len(part) > 1 or ":" in part[0] else [*part, "  " + _("none")] for part in parts]
    return "\n\n".join("\n".join(part) for part in shown)


def _taken(findings: Findings) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(findings.taken))


def _of_check(result: CheckResult) -> list[list[str]]:
    pairs = list(zip(result.models, result.subjects, strict=True))
    headlines = [line for model, subject in pairs for line in _headline(model, subject)]
    system = checks.system_of(result.machine.os)
    wrong = [line for check in result.checks if check.status != OK for line in _check(check, system)]
    fine = [f"  {_sentence(check)}" for check in result.checks if check.status == OK]
    return [
        [_("Verdicts"), *headlines],
        [_("To look at"), *wrong],
        [_("In order"), *fine],
        *(
            [_("Ways to run {model}").format(model=subject.title), *_ladder(model)]
            for model, subject in pairs[:1]
        ),
    ]


def _headline(model: ModelPlan, subject: Planned) -> list[str]:
    verdict = _("{model}, {wish}: {verdict}").format(
        model=subject.title, wish=ladder.wish_text(model.wish), verdict=ladder.verdict_text(model)
    )
    return [f"  {verdict}", f"    {reasons.text(model.headline)}"]


def _sentence(check: Check) -> str:
    return labelled(checks.name_text(check), checks.sentence(check))


def _check(check: Check, system: str | None) -> list[str]:
    advice = checks.advice(check.advice, system)
    return [f"  [{check.status}] {_sentence(check)}", *([f"    {advice}"] if advice else [])]


def _ladder(model: ModelPlan) -> list[str]:
    lines = []
    for plan in model.ladder:
        mark = "▶" if plan.rung == model.chosen else "✔" if plan.status == "fits" else "✘"
        words = (
            ladder.variant_text(plan),
            f"GPU {ladder.memory_text(plan, ram=False)}",
            f"RAM {ladder.memory_text(plan, ram=True)}",
            f"{ladder.speed_text(plan)} tokens/s",
            ladder.why_text(plan),
        )
        lines.append(f"  {mark} {plan.rung}: {' · '.join(word for word in words if word)}")
    return lines


def _engine(name: str, found: Environment | None) -> str:
    if found is None:
        return f"  {labelled(name, _('not installed'))}"
    devices = ", ".join(found.record.devices)
    return "  " + " · ".join(
        part for part in (session.engine_text(found), devices, found.record.build) if part
    )


def _crash(crash: Crash) -> str:
    when = time.strftime("%Y-%m-%d", time.gmtime(crash.at))
    parts = [when, crash.rung, crash.phase, crash.kind, f"{crash.backend} {crash.build}", crash.message]
    if crash.file is not None:
        parts.append(_("for one file only"))
    return "  " + " · ".join(parts)


def _measured(one: Measurements) -> Iterable[str]:
    yield f"  {one.hardware}"
    yield from (f"    {line}" for line in measuring.known_lines(one))
    if one.ram_bytes_per_s is not None:
        yield f"    {labelled(_('RAM'), format_bytes(one.ram_bytes_per_s) + '/s')}"
    for disk in one.disks:
        read = format_bytes(disk.bytes_per_s) + "/s" if disk.bytes_per_s is not None else "–"
        yield f"    {labelled(disk.path, read)} · {disk.iops if disk.iops is not None else '–'} IOPS"
    for layer in one.layers:
        times = f"{layer.decode_layer_s * 1e6:.1f} + {layer.decode_head_s * 1e6:.0f} µs"
        yield f"    {layer.device} {layer.variant} ({layer.engine} {layer.build}): {times}"


def _keys(value: object) -> list[str]:
    """The keys in a JSON value."""
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


def _strings(value: object) -> list[str]:
    """The texts in a JSON value that are no keys."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]


def _labels() -> tuple[str, ...]:
    return tuple(
        _(text)
        for text in (
            N_("Engines"), N_("Crashes remembered"), N_("Measurements"), N_("Packages"), N_("End of the log"),
            N_("Verdicts"), N_("To look at"), N_("In order"), N_("Ways to run {model}"), N_("not installed"),
            N_("The check failed"), "json AutoGLM Desktop Python UTC GPU RAM IOPS tokens",
        )
    )  # fmt: skip
