"""What ``check`` prints for people, and the command around it."""

import asyncio
import gettext
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop import cli, cli_check, cli_parser, i18n
from autoglm_desktop.cli_layout import columns
from autoglm_desktop.core.machine import Cpu, Machine
from autoglm_desktop.core.machine import to_json as machine_to_json
from autoglm_desktop.core.subject import Installed
from autoglm_desktop.core.units import GB
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.usecases.check import CheckOptions
from tests.fakes import made_machines as made
from tests.fakes.made_check import made_result
from tests.fakes.made_glm4v import write_projector, write_text


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = i18n.language()
    i18n.set_language("en")
    yield
    i18n.set_language(before)


MACHINES = {
    "4060": made.made_rtx_4060(), "4060 known ram": made.made_rtx_4060(bandwidth=made.DDR4_DUAL),
    "3060": made.made_rtx_3060(), "4090": made.made_rtx_4090(), "1060": made.made_gtx_1060(),
    "laptop": made.made_laptop(), "small": made.made_small(), "mac": made.made_mac(), "unknown": Machine(),
    "game": made.with_game(made.made_rtx_3060()), "safe": made.with_engine(made.made_laptop(), "safe_mode"),
}  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("wish", ["phone", "text"])
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_machine_at_every_width(machine: Machine, wish: str, width: int) -> None:
    text = cli_check.render(made_result(machine, CheckOptions(wish=wish)), width, False)
    commands = ("https://", "autoglm-desktop ")
    wide = [
        line for line in text.splitlines() if columns(line) > width and not any(c in line for c in commands)
    ]
    assert not wide
    assert "None" not in text and "?" not in text.replace("Known", "") and "\x1b" not in text


def test_the_conclusion_comes_first() -> None:
    lines = cli_check.render(made_result(made.made_rtx_3060()), 100, False).splitlines()
    assert lines[0] == "✔ AutoGLM-Phone-9B, to drive a phone (screenshots): runs well"
    assert "9.3 s–13 s (estimate) for one step on the phone" in lines[1]


def test_an_unknown_speed_is_said_and_never_made_up() -> None:
    text = cli_check.render(made_result(made.made_laptop()), 100, False)
    assert "has not been measured yet" in text and "tokens/s (estimate)" not in text


def test_rows_say_what_is_missing() -> None:
    text = cli_check.render(made_result(made.made_rtx_4060()), 100, False)
    row = next(line for line in text.splitlines() if "GPU, 16 bit" in line)
    assert row.lstrip().startswith("✘") and "lacks 14.9 GiB of GPU memory" in row


def test_what_cannot_be_is_grouped_by_why() -> None:
    text = cli_check.render(made_result(made.made_laptop()), 200, False)
    lines = [line for line in text.splitlines() if "no GPU was found" in line]
    assert len(lines) == 1 and lines[0].count(" · ") == 5


def test_marks_for_what_starts_and_what_is_recommended() -> None:
    machine = made.with_engine(made.made_rtx_4060())
    text = cli_check.render(
        made_result(machine, CheckOptions(wish="text"), Installed(frozenset(("Q4_K_M",)))), 100, False
    )
    marks = {
        line.split()[0]: line for line in text.splitlines() if line.lstrip()[:1] in "★▶" and "GiB" in line
    }
    assert "GGUF, CPU" in marks["▶"] and "GGUF, GPU" in marks["★"]


def test_next_steps_name_commands() -> None:
    result = made_result(made.made_rtx_3060())
    text = cli_check.render(result, 100, False)
    assert "autoglm-desktop pull autoglm-phone-9b:" in text
    assert "check autoglm-phone-9b --wish text" in cli_check.render(
        made_result(made.made_small()), 100, False
    )


def test_a_weak_machine_is_told_what_runs_on_it() -> None:
    weak = made.made_machine(bandwidth=20 * GB, ram_gib=8, free_gib=3)
    text = cli_check.render(made_result(weak, models=7), 100, False)
    assert "GLM-Edge-1.5B-Chat runs here, to chat in text: autoglm-desktop check glm-edge-1.5b-chat" in text
    assert "--wish text" not in text
    unmeasured = cli_check.render(made_result(replace(weak, cpu=Cpu()), models=7), 100, False)
    assert "check qwen3-0.6b" in unmeasured
    nothing = made.made_machine(ram_gib=1, free_gib=0.2)
    assert "runs here" not in cli_check.render(made_result(nothing, models=7), 100, False)


def test_nothing_is_offered_to_the_phone_agent_before_the_service_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path / "home"))
    file = tmp_path / "tiny.gguf"
    write_tiny_glm4(file)
    assert run("check", str(file)) == 0
    text = capsys.readouterr().out
    assert "For other programs: " in text and "phone agent" not in text
    write_text(file)  # it sees, but the service does not yet
    write_projector(tmp_path / "mmproj-tiny.gguf")
    assert run("check", str(file)) == 0
    text = capsys.readouterr().out
    assert "For other programs: " in text and "phone agent" not in text


def test_colours_change_nothing_else() -> None:
    result = made_result(made.made_rtx_4060())
    coloured = cli_check.render(result, 100, True)
    assert "\x1b[33;1m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == cli_check.render(result, 100, False)


class _Chinese(gettext.NullTranslations):
    """Every message as long as a Chinese one and as wide."""

    def gettext(self, message: str) -> str:
        return message if "{" in message else "显存不足请关闭其他程序"


def test_wide_characters_line_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_current", _Chinese())
    text = cli_check.render(made_result(made.made_rtx_4090()), 100, False)
    rows = [line for line in text.splitlines() if line.startswith(("  ★", "  ·", "  ✘")) and "GiB" in line]
    assert len(rows) == 8
    variants = [re.search(r"bf16|int8|nf4|Q\d\w+", line) for line in rows]
    starts = {columns(line[: found.start()]) for line, found in zip(rows, variants, strict=True) if found}
    assert all(variants) and len(starts) == 1


def run(*words: str) -> int:
    return cli.main(["--lang", "en", *words])


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGLM_HOME", str(tmp_path / "home"))
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine_to_json(made.made_rtx_4060())), encoding="utf-8")
    return path


def test_the_command_prints_one_document(described: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--machine", str(described), "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["schema"] == 1 and captured.err == ""


def test_the_command_prints_text_without_colours_in_a_pipe(
    described: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "autoglm-phone-9b", "--machine", str(described), "--wish", "text") == 0
    out = capsys.readouterr().out
    assert out.startswith("✔ AutoGLM-Phone-9B, to chat in text: runs well") and "\x1b" not in out


@pytest.mark.parametrize("words", [("nothing-like-it",), ("--machine", "missing.json"), ("x.gguf",)])
def test_failures_are_one_sentence(
    described: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run("check", *words) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.strip().splitlines()) == 1


def test_run_is_a_coroutine_of_the_parsed_options(
    described: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = cli_parser.build_parser().parse_args(
        ["check", "--machine", str(described), "--variant", "Q2_K"]
    )
    assert asyncio.run(cli_check.run(options)) == 0
    assert "Q2_K" in capsys.readouterr().out
