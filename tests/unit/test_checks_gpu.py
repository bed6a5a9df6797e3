"""The card's checks: who holds its memory, what slows it down, its link, its driver in containers and WSL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_desktop.core import gpu_states
from autoglm_desktop.core.check_values import Check
from autoglm_desktop.core.checks import checks
from autoglm_desktop.core.checks_gpu_trouble import explained
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.gpu_states import OWN_PROGRAM, throttle_codes
from autoglm_desktop.core.machine import Gpu, GpuProcess, Machine, OsInfo
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.texts import check as texts
from tests.fakes import made_machines as made

TOTAL = 24 * GIB


def found(machine: Machine, needed: int | None = None) -> dict[str, Check]:
    """The checks; ``needed``: bytes of the card that the plan takes."""
    plan = None
    if needed is not None:
        plan = RungPlan("gguf-gpu", memory={"gpu:0": DeviceMemory(weights=needed, total=needed)})
    return {check.id: check for check in checks(machine, plan)}


def with_programs(free: int, *programs: tuple[str | None, int | None], **more: object) -> Machine:
    processes = tuple(GpuProcess(name, size) for name, size in programs)
    changes = {"memory_total_bytes": TOTAL, "memory_free_bytes": free, "processes": processes, **more}
    return made.with_gpu(made.made_rtx_4090(), **changes)


def test_what_to_close_is_named_the_largest_first() -> None:
    machine = with_programs(
        20 * GIB,
        ("a-small.exe", 100 * MIB),
        ("made-game.exe", 2 * GIB),
        (OWN_PROGRAM, GIB),
        ("made-game.exe", GIB),
    )
    check = found(machine, 21 * GIB)["gpu.memory"]
    assert (check.status, check.code, check.advice) == ("ok", "gpu_memory_own_enough", None), (
        "its engine ends first"
    )
    check = found(machine, 23 * GIB)["gpu.memory"]
    assert (check.status, check.code, check.advice) == (
        "fail",
        "gpu_memory_short_close",
        "close_gpu_programs",
    )
    assert texts.sentence(check) == (
        "20.0 GiB of 24.0 GiB are free: 2.0 GiB too little. Close made-game.exe (3.0 GiB) to free 3.0 GiB."
    )
    check = found(machine, 30 * GIB)["gpu.memory"]
    assert (check.status, check.code) == ("fail", "gpu_memory_short_held")
    assert check.values["names"] == "made-game.exe (3.0 GiB), a-small.exe (100 MiB)"
    assert "3.1 GiB, which is not enough" in texts.sentence(check)


def test_the_desktop_and_this_program_are_never_to_be_closed() -> None:
    machine = with_programs(
        21 * GIB, ("C:\\Windows\\DWM.exe", 2 * GIB), (OWN_PROGRAM, 100 * MIB), ("Xorg", 500 * MIB)
    )
    short = found(machine, 23 * GIB)["gpu.memory"]
    assert (short.status, short.code, short.advice) == ("fail", "gpu_memory_short", "gpu_memory_short")
    check = found(machine, 20 * GIB)["gpu.memory"]
    assert (check.status, check.code, check.advice) == ("ok", "gpu_memory_desktop", None)
    assert check.values["held_bytes"] == 2 * GIB + 500 * MIB


def test_a_desktop_that_another_chip_could_show() -> None:
    machine = with_programs(21 * GIB, ("Xorg", 2 * GIB), display_attached=True)
    both = replace(machine, gpus=(*machine.gpus, Gpu(1, "intel", "made")))
    assert found(both, 20 * GIB)["gpu.memory"].advice == "display_elsewhere"


def test_this_programs_own_engine_is_told_as_such() -> None:
    check = found(with_programs(18 * GIB, (OWN_PROGRAM, 6 * GIB)))["gpu.memory"]
    assert (check.status, check.code) == ("ok", "gpu_memory_own")
    assert "own engine holds 6.0 GiB" in texts.sentence(check)
    silent = with_programs(18 * GIB, (OWN_PROGRAM, None), ("made.exe", None))
    check = found(silent)["gpu.memory"]
    assert (check.status, check.code, check.values["names"]) == ("ok", "gpu_memory_held_own", "made.exe")


def test_programs_that_nobody_sees() -> None:
    """In a container NVML lists none; a driver's and a desktop's share is no program's."""
    check = found(with_programs(14 * GIB, memory_reserved_bytes=600 * MIB))["gpu.memory"]
    assert (check.status, check.code) == ("ok", "gpu_memory_unseen")
    assert check.values["held_bytes"] == 10 * GIB - 600 * MIB
    assert found(with_programs(TOTAL - GIB))["gpu.memory"].code == "gpu_memory"


def test_programs_without_a_name_hold_and_cannot_be_named() -> None:
    check = found(with_programs(18 * GIB, (None, 6 * GIB)))["gpu.memory"]
    assert (check.status, check.code) == ("ok", "gpu_memory_unseen")
    assert found(with_programs(18 * GIB, (None, 6 * GIB)), 20 * GIB)["gpu.memory"].code == "gpu_memory_short"


@pytest.mark.parametrize(
    ("changes", "status", "code", "sentence"),
    [
        ({"throttle_reasons": ("heat",), "temperature_c": 83}, "warn", "slowed_by_heat", "83 °C: heat slows the card"),
        ({"throttle_reasons": ("hardware_slowdown", "hardware_heat"), "temperature_c": 93}, "fail", "slowed_by_heat",
         "93 °C"),
        ({"throttle_reasons": ("heat",)}, "warn", "slowed_by_heat_silent", "Heat slows"),
        ({"throttle_reasons": ("power_brake",), "temperature_c": 60}, "warn", "slowed_by_supply", "power supply"),
        ({"throttle_reasons": ("hardware_slowdown",)}, "warn", "slowed_by_supply_silent", "power supply"),
        ({"throttle_reasons": ("power_cap",), "temperature_c": 70, "power_limit_w": 450.0, "power_draw_w": 449.6}, "ok",
         "at_power_limit", "at its power limit of 450 W right now, which is normal under load"),
        ({"throttle_reasons": ("power_cap",), "temperature_c": 70, "power_limit_w": None}, "ok", "temperature_fine",
         "70 °C."),
        ({"throttle_reasons": ("idle", "application_clocks", "bit_40"), "temperature_c": 40, "power_limit_w": 450.0,
          "power_draw_w": 21.3}, "ok", "temperature_power", "40 °C; 21 of 450 W."),
        ({"throttle_reasons": ("power_cap",)}, "unknown", "gpu_silent", "does not tell"),
        ({"throttle_reasons": (), "temperature_c": 86}, "warn", "temperature_high", "86 °C"),
        ({"throttle_reasons": None}, "unknown", "gpu_silent", "does not tell"),
    ],
)  # fmt: skip
def test_heat_and_power(changes: dict[str, object], status: str, code: str, sentence: str) -> None:
    machine = made.with_gpu(made.made_rtx_4090(), **{"temperature_c": None, **changes})
    check = found(machine)["gpu.temperature"]
    assert (check.status, check.code) == (status, code)
    assert sentence in texts.sentence(check) and "?" not in texts.sentence(check)


@pytest.mark.parametrize(
    ("now", "most", "busy", "code", "advice"),
    [
        ((1, 16), (4, 16), 3, "gpu_link_idle", None),
        ((1, 16), (4, 16), None, "gpu_link_idle", None),
        ((4, 4), (4, 16), 99, "gpu_link_busy", "pcie_slot"),
        ((4, 16), (4, 16), 99, "gpu_found", None),
        ((None, 16), (4, 16), 99, "gpu_found", None),
        ((3, 16), (None, None), 99, "gpu_found", None),
        ((5, 16), (4, 16), 99, "gpu_found", None),
    ],
)
def test_a_lowered_link_is_normal_for_an_idle_card(
    now: tuple[int, int], most: tuple[int, int], busy: int | None, code: str, advice: str | None
) -> None:
    machine = made.with_gpu(
        made.made_rtx_4090(), pcie_generation=now[0], pcie_width=now[1], pcie_generation_max=most[0],
        pcie_width_max=most[1], utilisation_percent=busy,
    )  # fmt: skip
    check = found(machine)["gpu.present"]
    assert (check.status, check.code, check.advice) == ("ok", code, advice)
    assert "?" not in texts.sentence(check)


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("546.01", 546.01), ("560.35.03", 560.35), ("580", 580.0), ("R535.183.01-x", 535.183), ("9" * 400, None),
        ("none", None), ("", None),
    ],
)  # fmt: skip
def test_a_driver_as_a_number(version: str, number: float | None) -> None:
    """Windows' 546.01 is not 546.1."""
    check = found(made.with_gpu(made.made_rtx_4090(), driver_version=version), GIB)["gpu.driver"]
    assert (check.value.number if check.value else None) == number
    assert check.required is None or check.required.number == 528.33
    assert check.status == "unknown" or check.advice == "no_toolkit", "nobody has to install one"


SILENT = {"memory_total_bytes": None, "memory_free_bytes": None, "driver_version": None}


def test_a_card_whose_driver_is_outside_of_the_container() -> None:
    machine = made.with_gpu(made.made_rtx_4090(), **SILENT)
    inside = replace(machine, os=OsInfo("Linux", "made", wsl=False, container=True))
    check = found(inside)["gpu.driver"]
    assert (check.status, check.code, check.advice) == ("warn", "driver_outside", "nvidia_container")
    assert "--gpus all" in (texts.advice(check.advice, "Linux") or "")
    shared = made.with_gpu(inside, integrated=True)
    assert found(shared)["gpu.driver"].code == "gpu_silent", "it has no memory of its own to tell of"


def test_no_card_at_all_in_a_container_and_under_windows() -> None:
    nothing = replace(made.made_laptop(), os=OsInfo("Linux", "made", wsl=False, container=True))
    check = found(nothing)["gpu.present"]
    assert (check.code, check.advice) == ("gpu_none", "gpu_none_container")
    subsystem = replace(nothing, os=OsInfo("Linux", "made", wsl=True, container=False))
    check = found(subsystem)["gpu.present"]
    assert check.advice == "gpu_none" and "wsl --update" in (texts.advice(check.advice, texts.WSL) or "")


@pytest.mark.parametrize("code", sorted(texts.check_gpu.ADVICE))
@pytest.mark.parametrize("system", ["Linux", "Windows", "macOS", texts.WSL, None])
def test_every_advice_has_a_text_for_every_system(code: str, system: str | None) -> None:
    assert texts.advice(code, system)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (None, None), (-1, None), (0, ()), (1, ("idle",)), (0x24, ("power_cap", "heat")),
        (0x48, ("hardware_slowdown", "hardware_heat")), (1 << 63, ("bit_63",)),
    ],
)  # fmt: skip
def test_reasons_of_lowered_clocks(bits: int | None, expected: tuple[str, ...] | None) -> None:
    assert throttle_codes(bits) == expected


def test_the_codes_are_those_of_the_binding() -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    names = {
        "GpuIdle": gpu_states.IDLE, "ApplicationsClocksSetting": gpu_states.APPLICATION_CLOCKS,
        "SwPowerCap": gpu_states.POWER_CAP, "HwSlowdown": gpu_states.HARDWARE, "SyncBoost": gpu_states.SYNC_BOOST,
        "SwThermalSlowdown": gpu_states.HEAT, "HwThermalSlowdown": gpu_states.HARDWARE_HEAT,
        "HwPowerBrakeSlowdown": gpu_states.POWER_BRAKE, "DisplayClockSetting": gpu_states.DISPLAY_CLOCKS,
    }  # fmt: skip
    for name, code in names.items():
        assert throttle_codes(getattr(pynvml, f"nvmlClocksThrottleReason{name}")) == (code,)


def told(machine: Machine, reason: str, advice: str | None, *, failed: bool) -> dict[str, Check]:
    said = Reason.of(advice) if advice else None
    every = checks(machine, None)
    return {check.id: check for check in explained(every, machine, Reason.of(reason), said, failed=failed)}


def test_the_check_says_why_the_driver_did_not_answer() -> None:
    seen = made.with_gpu(made.made_rtx_4090(), **SILENT)
    check = told(seen, "nvidia_driver_mismatch", "restart_machine", failed=True)["gpu.driver"]
    assert (check.status, check.advice) == ("warn", "restart_machine")
    assert texts.sentence(check) == (
        "No answer from NVIDIA's driver: NVIDIA's driver was updated and waits for a restart."
    )
    nobody = told(made.made_laptop(), "nvidia_wsl_no_driver", "wsl_driver", failed=True)["gpu.driver"]
    assert (nobody.code, nobody.advice) == ("driver_unusable", "wsl_driver")


def test_without_nvidia_nothing_is_said_of_its_driver() -> None:
    """Also where a card of another vendor is there, and where nvidia-smi answered instead."""
    for machine in (made.made_laptop(), made.made_mac()):
        assert told(machine, "nvidia_driver_missing", "install_nvidia_driver", failed=False) == found(machine)
    machine = made.made_rtx_4060()
    assert told(machine, "nvml_error", None, failed=True) == found(machine)
    assert explained(checks(machine, None), machine, None, None, failed=False) == checks(machine, None)


def test_what_is_odd_about_a_card_stands_beside_its_name() -> None:
    machine = made.made_rtx_4060()
    lost = told(machine, "gpu_not_responding", "restart_machine", failed=False)["gpu.present"]
    assert (lost.status, lost.advice) == ("warn", "restart_machine")
    assert texts.sentence(lost) == "NVIDIA GeForce RTX 4060; but: a card does not respond."
    divided = told(machine, "gpu_divided", None, failed=False)["gpu.present"]
    assert (divided.status, divided.code, divided.advice) == ("ok", "gpu_noted", None)
