"""Every code that the program uses has a text; values stand in it; layout keeps its width."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoglm_desktop.cli_layout import Style, columns, cut, pad, paragraph, table
from autoglm_desktop.core.errors import AppError, EngineError, Reason, TargetError
from autoglm_desktop.core.machine import OsInfo
from autoglm_desktop.core.rungs import RUNGS
from autoglm_desktop.core.verdict import VERDICTS
from autoglm_desktop.texts import check as check_texts
from autoglm_desktop.texts import errors, ladder, reasons, values

ROOT = Path(__file__).resolve().parents[2] / "autoglm_desktop"
ERRORS = {"AppError", "TargetError", "EngineError", "ServiceError", "LadderFailed"}
FINDINGS = {"skipped", "failed"}


def calls() -> Iterator[tuple[str, str, list[str]]]:
    """(what is called, where, its leading string arguments) over the whole tree."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = ast.unparse(node.func)
                texts = [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
                first = node.args[0]
                if texts and isinstance(first, ast.Constant) and first.value == texts[0]:
                    yield name, f"{path.relative_to(ROOT)}:{node.lineno}", texts


def test_every_error_code_has_a_sentence() -> None:
    found = [(texts[0], where) for name, where, texts in calls() if name.rpartition(".")[2] in ERRORS]
    assert len(found) > 30
    missing = [(code, where) for code, where in found if code not in {**errors.TABLE, **reasons.TABLE}]
    assert not missing, f"add these codes to TABLE in texts/errors.py: {missing}"


def test_every_reason_code_has_a_text() -> None:
    found = [(texts[0], where) for name, where, texts in calls() if name.endswith("Reason.of")]
    assert len(found) > 20
    missing = [(code, where) for code, where in found if code not in reasons.TABLE]
    assert not missing, f"add these codes to texts/reasons.py: {missing}"


def test_every_probe_finding_and_its_advice_has_a_text() -> None:
    found = [
        (texts, where)
        for name, where, texts in calls()
        if name.startswith("GpuFinding.") and name.rpartition(".")[2] in FINDINGS
    ]
    assert len(found) > 4
    for texts, where in found:
        assert texts[0] in reasons.TABLE, where
        assert all(advice in check_texts.ADVICE for advice in texts[1:]), where


def test_every_code_of_the_nvidia_probe_has_a_text() -> None:
    from autoglm_desktop.probe.nvidia import FATAL

    for code, advice in FATAL.values():
        assert code in reasons.TABLE
        assert advice is None or advice in check_texts.ADVICE


def test_codes_made_of_parts_have_texts() -> None:
    for verdict in VERDICTS[:-1]:
        assert f"phone_{verdict}" in reasons.TABLE and f"text_{verdict}" in reasons.TABLE
    assert set(ladder.VERDICTS) == set(VERDICTS)
    assert {f"place_{rung}" for rung in (*RUNGS, "processor-16bit")} == set(reasons.PLACES)
    assert set(ladder.RUNGS) == set(RUNGS)


def test_every_refusal_of_the_header_reader_has_both_texts() -> None:
    found = {t[0] for name, _where, t in calls() if name.endswith(".fail") and t[0].startswith("gguf_")}
    assert len(found) >= 5
    assert found <= set(reasons.FILES) and found <= set(errors.TABLE)


def test_every_check_code_has_a_sentence_and_every_advice_a_text() -> None:
    paths = [*(ROOT / "core").glob("checks*.py"), ROOT / "core/torch_builds.py"]
    trees = [ast.parse(path.read_text("utf-8")) for path in paths]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    words = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    used = set(check_texts.SENTENCES) & words
    assert len(used) > 40
    assert set(check_texts.SENTENCES) <= words


def test_templates_ask_only_for_plain_names() -> None:
    tables = [errors.TABLE, reasons.TABLE, check_texts.SENTENCES, *check_texts.ADVICE.values()]
    for template in (text for table_ in tables for text in table_.values()):
        assert re.sub(r"\{[a-z_]+\}", "", template).count("{") == 0, template


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TargetError("file_not_found", path="../模型.gguf"), "There is no file ../模型.gguf."),
        (TargetError("gguf_damaged", path="a", detail="twice."), "a is damaged (twice); get it again."),
        (TargetError("projector_alone", path="m"),
         "m cannot be used: it is a vision part (mmproj) and no model of its own."),
        (AppError("disk_full", path="x", needed=2 << 30, free=1 << 20),
         "There is not enough room for x: 2.0 GiB needed, 1 MiB free."),
        (EngineError("rung_cannot", rung="gguf-gpu", reason=Reason.of("no_gpu")),
         "gguf-gpu cannot be used here: no GPU was found."),
        (AppError("not_in_any_table"), "It did not work (not_in_any_table)."),
        (AppError("file_not_found"), "There is no file ?."),
        (TargetError("file_not_found", path="{path} {0} %s"), "There is no file {path} {0} %s."),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(error: AppError, expected: str) -> None:
    assert errors.text(error) == expected


def test_reasons_format_their_values_and_nest() -> None:
    why = Reason.of("ram_short", needed_bytes=7 << 30, free_bytes=5 << 30, short_bytes=2 << 30)
    found = reasons.text(Reason.of("cannot_because", why=why, variant="Q2_K"))
    assert found == "It does not fit: even Q2_K needs 7.0 GiB of RAM, 5.0 GiB are free: 2.0 GiB too little."
    assert reasons.text(None) == ""
    assert reasons.text(Reason.of("no_text_for_this")) == "no_text_for_this"


def test_estimates_are_ranges_and_measurements_are_not() -> None:
    place = Reason.of("place_gguf-gpu")
    estimate = reasons.text(Reason.of("text_runs_well", variant="Q8_0", place=place, tokens_per_s=100.0))
    assert "85–115 tokens/s (estimate)" in estimate
    measured = Reason.of("text_runs_well", variant="Q8_0", place=place, tokens_per_s=100.0, measured=True)
    assert "100 tokens/s." in reasons.text(measured)
    assert values.range_text(None, measured=True) == "–"


def test_advice_has_the_command_of_the_system() -> None:
    assert "apt" in (check_texts.advice("install_nvidia_driver", "Linux") or "")
    assert "nvidia.com" in (check_texts.advice("install_nvidia_driver", "Windows") or "")
    assert check_texts.advice("install_nvidia_driver", "Plan 9")
    assert check_texts.advice(None, "Linux") is None


def test_in_wsl_drivers_come_from_windows_and_the_rest_from_linux() -> None:
    system = check_texts.system_of(OsInfo("Linux", "Ubuntu", wsl=True))
    for code in ("install_nvidia_driver", "update_nvidia_driver", "load_nvidia_driver"):
        text = check_texts.advice(code, system) or ""
        assert "wsl --shutdown" in text and "sudo" not in text
    assert check_texts.advice("python_old", system) == check_texts.advice("python_old", "Linux")
    assert check_texts.system_of(OsInfo("Linux", wsl=False)) == "Linux"


def test_free_memory_that_nobody_told_is_not_stated() -> None:
    short = Reason.of(
        "ram_short", needed_bytes=7 << 30, free_bytes=5 << 30, short_bytes=2 << 30, assumed=True
    )
    assert reasons.text(short) == "needs 7.0 GiB of RAM, about 5.0 GiB may be free: 2.0 GiB too little"


def test_east_asian_characters_take_two_columns() -> None:
    assert columns("显存 ok") == 7 and columns("é") == 1
    assert pad("显存", 6) == "显存  " and pad("显存", 3) == "显存"
    assert cut("显存不足", 5) == "显存…" and cut("显存", 4) == "显存"


@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize(
    "text", ["显存不足，请关闭其他程序，然后再试一次。", "word " * 30, "", "a" * 15 + " 显存"]
)
def test_paragraphs_keep_their_width(text: str, width: int) -> None:
    lines = paragraph(text, width, indent="  ")
    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(line.split()) for line in lines) == "".join(text.split())


def test_tables_line_up() -> None:
    rows = [["✘", "显存", "lacks 3 GiB"], ["·", "a longer name", "x " * 40]]
    lines = table(["", "way", "why"], rows, 60, [Style(False)] * 2)
    assert all(columns(line) <= 60 for line in lines)
    starts = {
        columns(line[: line.index(found)]) for line, found in zip(lines[1:], ("lacks", "x "), strict=False)
    }
    assert len(starts) == 1
    narrow = table(["", "way", "why"], rows, 30, [Style(False)] * 2)
    assert all(columns(line) <= 30 for line in narrow)


def test_colour_only_where_it_is_wanted() -> None:
    assert Style(False).paint("x", "red") == "x"
    assert Style(True).paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
    assert Style(True).dimmed().row("x") == "\x1b[2mx\x1b[0m" and Style(True).row("x") == "x"
