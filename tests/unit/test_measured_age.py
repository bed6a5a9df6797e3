"""How old measurements are, which no longer count and why, in values and in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Cpu, Gpu, Machine
from autoglm_desktop.core.measured import DiskSpeed, LayerSpeed, Measurements
from autoglm_desktop.core.measured_age import Outdated, hardware_changed, outdated, same_machine
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.store.measurements import MeasurementFile
from autoglm_desktop.texts import measuring, reasons

NOW = 1_763_700_000.0
HOUR = 3600.0


def key(cpu: str = "made CPU", *cards: tuple[str, str | None]) -> str:
    gpus = tuple(Gpu(n, "nvidia", name, driver_version=driver) for n, (name, driver) in enumerate(cards))
    return hardware_key(Machine(cpu=Cpu(cpu), gpus=gpus))


CARD = ("NVIDIA GeForce RTX 4060", "551.23")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (key(), key("other CPU"), "it was taken on another machine (made CPU)"),
        (
            key("made CPU", CARD),
            key("made CPU", (CARD[0], "560.35.03")),
            "the driver of the NVIDIA GeForce RTX 4060 is now 560.35.03; it was 551.23",
        ),
        (
            key("made CPU", CARD),
            key("made CPU", (CARD[0], None)),
            "the driver of the NVIDIA GeForce RTX 4060 does not answer now; it was 551.23",
        ),
        (
            key("made CPU", (CARD[0], None)),
            key("made CPU", CARD),
            "the NVIDIA GeForce RTX 4060 had no driver that answers then; now it is 551.23",
        ),
        (
            key("made CPU", CARD),
            key("made CPU", ("Made 2", "1")),
            "the graphics card is now Made 2; it was NVIDIA GeForce RTX 4060",
        ),
        (key(), key("made CPU", CARD), "the NVIDIA GeForce RTX 4060 was not there then"),
        (key("made CPU", CARD), key(), "the NVIDIA GeForce RTX 4060 is no longer there"),
        (
            key("made CPU", CARD, ("Made 2", "7")),
            key("made CPU", CARD, ("Made 2", "8")),
            "the driver of the Made 2 is now 8; it was 7",
        ),
    ],
)
def test_what_of_the_hardware_has_changed(before: str, now: str, said: str) -> None:
    assert reasons.text(hardware_changed(before, now)) == said
    assert hardware_changed(before, before) is None


def test_which_keys_are_of_one_machine() -> None:
    assert same_machine(key("made CPU", CARD), key("made CPU"))
    assert not same_machine(key("made CPU", CARD), key("other CPU", CARD))


def layer(variant: str = "Q4_K_M", engine: str = "llama-cpu", build: str = "1 wheel") -> LayerSpeed:
    return LayerSpeed("cpu", "made", variant, 0.01, 0.02, 0.001, 0.1, engine=engine, build=build, taken=NOW)


def test_another_build_leaves_the_rest_standing(tmp_path: Path) -> None:
    file = MeasurementFile(tmp_path / "m.json")
    gpu = layer("Q8_0", "llama-cuda", "9 wheel")
    file.save(Measurements("a", NOW, 5, (), (layer(), gpu)))
    (gone,) = file.outdated("a", {"llama-cpu": "2 wheel", "llama-cuda": "9 wheel"})
    assert gone.layers == (layer(),)
    assert reasons.text(gone.reason) == "the engine llama-cpu is now 2 wheel; it was 1 wheel"
    (gone,) = file.outdated("a", {"llama-cpu": "1 wheel"})
    assert gone.layers == (gpu,)
    assert reasons.text(gone.reason) == "the engine llama-cuda is no longer installed"
    assert file.outdated("a", {"llama-cpu": "1 wheel", "llama-cuda": "9 wheel"}) == ()


def test_this_machine_s_own_past_comes_before_another_machine_s() -> None:
    other, old, older = (
        Measurements(key("other CPU"), NOW),
        Measurements(key("made CPU", CARD), NOW - 5),
        Measurements(key("made CPU"), NOW - 9),
    )
    now = key("made CPU", (CARD[0], "560"))
    (gone,) = outdated((older, other, old), now, {})
    assert gone.reason.code == "measured_with_another_driver" and gone.taken == NOW - 5
    (gone,) = outdated((other,), now, {})
    assert gone.reason.code == "measured_on_another_machine"
    assert outdated((), now, {}) == ()
    assert outdated((other, Measurements(now, NOW - 99)), now, {}) == ()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-50.0, "just now"), (59.0, "just now"), (61.0, "1 minute ago"), (3599.0, "59 minutes ago"),
        (HOUR, "1 hour ago"), (23.9 * HOUR, "23 hours ago"), (24 * HOUR, "1 day ago"), (48 * HOUR, "2 days ago"),
        (24_000 * 24 * HOUR, "24,000 days ago"),
    ],
)  # fmt: skip
def test_ages(seconds: float, said: str) -> None:
    assert measuring.age_text(seconds) == said


def test_what_was_measured_together_has_one_line_and_its_age() -> None:
    disk = DiskSpeed("models", 1, taken=NOW + 20)
    known = Measurements("a", NOW + 60, 5, (disk,), (layer(),), ram_taken=NOW - 30 * HOUR)
    newest, oldest = measuring.known_lines(known, NOW + 2 * HOUR)
    assert newest.startswith("disk, Q4_K_M on the CPU: ") and newest.endswith(", 1 hour ago")
    assert oldest.startswith("RAM: ") and oldest.endswith(", 1 day ago")
    assert measuring.known_lines(None) == []


def test_the_parts_of_an_older_file_have_the_date_of_the_whole() -> None:
    bare = LayerSpeed("cpu", "made", "Q8_0", 0.01, 0.02, 0.001, 0.1)
    (line,) = measuring.known_lines(Measurements("a", NOW, 5, (DiskSpeed("m", 1),), (bare,)), NOW)
    assert line.startswith("RAM, disk, Q8_0 on the CPU: ") and line.endswith(", just now")
    (line,) = measuring.known_lines(Measurements("a", None, 5))
    assert line == "RAM: at an unknown time"


def test_all_of_it_in_words() -> None:
    gone = Outdated(reasons.Reason.of("measured_engine_gone", engine="llama-cpu"), NOW, (layer(),))
    said = measuring.known_text(Measurements("a", NOW, 5), (gone,), NOW + 60)
    assert said.splitlines()[0].startswith("RAM: ")
    assert "The speed of Q4_K_M on the CPU (" in said and "1 minute ago) no longer counts: " in said
    assert "llama-cpu is no longer installed." in said
    whole = Outdated(reasons.Reason.of("measured_on_another_machine", cpu="x"), NOW)
    assert "until it is measured anew" in measuring.known_text(None, (whole,), NOW)
    assert measuring.known_text(None).startswith("Nothing has been measured here yet")
    assert "is estimated" in measuring.known_text(Measurements("a", NOW, 5))
