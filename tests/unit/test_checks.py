"""Every check id by made machines."""

from dataclasses import replace

import pytest

from autoglm_desktop.core.check_values import Check
from autoglm_desktop.core.checks import checks, deciding_plan
from autoglm_desktop.core.ladder import plan_model
from autoglm_desktop.core.machine import GpuProcess, Machine, Package
from autoglm_desktop.core.subject import Installed, of_model
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.store import catalog
from autoglm_desktop.texts import check as texts
from tests.fakes import made_machines as made

IDS = [
    "gpu.present", "gpu.memory", "gpu.driver", "gpu.compute_capability", "gpu.bar1", "gpu.temperature",
    "cpu.cores", "cpu.features", "ram.total", "ram.available", "ram.swap", "disk.free", "disk.speed",
    "os.version", "os.tuning", "runtime.python", "runtime.torch", "runtime.llama_cpp", "runtime.bitsandbytes",
]  # fmt: skip


def found(machine: Machine, wish: str = "text", **more: object) -> dict[str, Check]:
    subject = of_model(catalog.load().models[0], Installed(frozenset(("Q4_K_M",))))
    model = plan_model(machine, subject, wish, **more)  # type: ignore[arg-type]
    return {check.id: check for check in checks(machine, deciding_plan(model))}


MACHINES = [
    Machine(), made.made_rtx_4060(), made.made_gtx_1060(), made.made_laptop(), made.made_small(), made.made_mac(),
    made.with_engine(made.made_rtx_4090(), "safe_mode"), made.with_game(made.made_rtx_3060()),
]  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_every_id_is_there_with_a_text(machine: Machine) -> None:
    for result in (found(machine, "phone"), {check.id: check for check in checks(machine, None)}):
        assert list(result) == IDS
        for check in result.values():
            assert check.status in ("ok", "warn", "fail", "unknown")
            assert texts.name_text(check) and "?" not in texts.sentence(check)
            for system in ("Linux", "Windows", "macOS", None):
                assert (texts.advice(check.advice, system) is None) == (check.advice is None)


def test_nothing_known_is_unknown() -> None:
    result = found(Machine())
    warned = {id_: check.status for id_, check in result.items() if check.status != "unknown"}
    assert warned == {
        "gpu.present": "warn", "runtime.torch": "ok", "runtime.bitsandbytes": "ok", "runtime.llama_cpp": "warn",
    }  # fmt: skip
    assert all(check.value is None for id_, check in result.items() if id_ not in ("gpu.present",))


def test_required_is_what_the_plan_needs() -> None:
    result = found(made.made_rtx_4060(), variant="Q4_K_M")
    memory, ram = result["gpu.memory"], result["ram.available"]
    assert memory.required is not None and memory.value is not None
    assert memory.value.number == 7000 * MIB
    assert memory.required.number == pytest.approx((5539 + 160 + 112 + 330 + 600) * MIB, abs=2 * MIB)
    assert ram.required is not None and 512 * MIB < ram.required.number < GIB
    assert result["gpu.driver"].required is not None


def test_a_cpu_plan_asks_nothing_of_the_gpu() -> None:
    result = found(made.made_laptop())
    assert result["gpu.memory"].required is None
    assert result["gpu.present"].status == "warn"


def test_too_little_memory_fails_with_how_much_is_missing() -> None:
    result = found(made.made_small(), "phone")
    check = result["ram.available"]
    assert check.status == "fail" and check.required is not None and check.value is not None
    assert check.values["short_bytes"] == check.required.number - check.value.number
    assert result["ram.total"].status == "ok"
    tiny = found(made.made_machine(ram_gib=4, free_gib=3))
    assert tiny["ram.total"].status == "fail"


def test_programs_that_hold_gpu_memory_are_named() -> None:
    check = found(made.with_game(made.made_rtx_4090()))["gpu.memory"]
    assert (check.status, check.code) == ("warn", "gpu_memory_held")
    assert "made-game.exe" in texts.sentence(check) and "3.0 GiB" in texts.sentence(check)


def test_programs_that_do_not_tell_what_they_hold_are_named_with_what_is_gone() -> None:
    """As under Windows, where no program tells its share."""
    names = [f"made-{number}.exe" for number in range(7)]
    machine = made.with_gpu(
        made.made_rtx_4090(20_000), processes=tuple(map(GpuProcess, names)), memory_reserved_bytes=500 * MIB
    )
    check, gpu = found(machine)["gpu.memory"], machine.gpus[0]
    assert gpu.memory_total_bytes is not None
    assert (check.status, check.code) == ("warn", "gpu_memory_held")
    assert check.values["held_bytes"] == gpu.memory_total_bytes - 20_500 * MIB
    assert check.values["names"] == ", ".join([*names[:5], "…"])


def test_a_card_without_its_driver_says_what_to_install() -> None:
    silent = {"memory_total_bytes": None, "memory_free_bytes": None, "driver_version": None}
    check = found(made.with_gpu(made.made_rtx_4090(), **silent))["gpu.driver"]
    assert (check.status, check.code, check.advice) == ("warn", "driver_missing", "install_nvidia_driver")
    assert found(made.with_gpu(made.made_rtx_4090(), driver_version=""))["gpu.driver"].code == "gpu_silent"


@pytest.mark.parametrize(
    ("changes", "id_", "status", "code"),
    [
        ({"driver_version": "470.05"}, "gpu.driver", "fail", "driver_old"),
        ({"driver_version": None}, "gpu.driver", "unknown", "gpu_silent"),
        ({"driver_version": "551.23"}, "gpu.driver", "ok", "driver_fine"),
        ({"vendor": "amd"}, "gpu.driver", "ok", "driver_other"),
        ({"compute_capability": (5, 0)}, "gpu.compute_capability", "warn", "capability_old"),
        ({"compute_capability": (6, 0)}, "gpu.compute_capability", "ok", "capability_fine"),
        ({"bar1_total_bytes": 256 * MIB}, "gpu.bar1", "ok", "bar1_small"),
        ({"bar1_total_bytes": 32 * GIB}, "gpu.bar1", "ok", "bar1_whole"),
        ({"temperature_c": 84}, "gpu.temperature", "ok", "temperature_fine"),
        ({"temperature_c": 85}, "gpu.temperature", "warn", "temperature_high"),
        ({"temperature_c": 90}, "gpu.temperature", "fail", "temperature_high"),
    ],
)
def test_gpu_checks(changes: dict, id_: str, status: str, code: str) -> None:
    check = found(made.with_gpu(made.made_rtx_4090(), **changes))[id_]
    assert (check.status, check.code) == (status, code)


def test_a_cuda_toolkit_is_not_asked_for() -> None:
    check = found(made.made_rtx_4060())["gpu.driver"]
    assert check.status == "ok" and "not needed" in texts.sentence(check)


def test_processor() -> None:
    old = made.made_machine(features=("avx",))
    assert found(old)["cpu.features"].status == "warn"
    assert found(made.made_mac())["cpu.features"].status == "ok"
    few = replace(old, cpu=replace(old.cpu, physical_cores=2))
    assert found(few)["cpu.cores"].code == "cores_few"


@pytest.mark.parametrize(
    ("total", "used", "status", "code"),
    [
        (0, 0, "ok", "swap_none"), (8 * GIB, GIB, "ok", "swap_fine"), (8 * GIB, 5 * GIB, "warn", "swap_full"),
        (GIB // 2, GIB // 2, "ok", "swap_fine"), (None, None, "unknown", "ram_silent"),
    ],
)  # fmt: skip
def test_swap(total: int | None, used: int | None, status: str, code: str) -> None:
    machine = made.made_laptop()
    memory = replace(machine.memory, swap_total_bytes=total, swap_used_bytes=used)
    check = found(replace(machine, memory=memory))["ram.swap"]
    assert (check.status, check.code) == (status, code)


def test_disk() -> None:
    machine = made.made_rtx_4060()
    small = replace(machine, disks=(replace(machine.disks[0], free_bytes=GIB),))
    check = found(small, variant="Q5_K_M")["disk.free"]
    assert check.status == "fail" and check.required is not None
    assert found(small, variant="Q4_K_M")["disk.free"].status == "ok", "it is there already"
    turning = replace(machine, disks=(replace(machine.disks[0], kind="hdd"),))
    assert found(turning)["disk.speed"].status == "warn"
    fast = replace(machine, disks=(replace(machine.disks[0], sequential_read_bytes_per_s=3 * GIB),))
    check = found(fast)["disk.speed"]
    assert check.value is not None and (check.value.number, check.value.unit) == (3 * GIB, "bytes/s")


@pytest.mark.parametrize(
    ("self_test", "status", "code"),
    [("passed", "ok", "engine_passed"), ("safe_mode", "ok", "engine_safe"), ("not_run", "ok", "engine_untested"),
     ("failed", "fail", "engine_failed")],
)  # fmt: skip
def test_engine(self_test: str, status: str, code: str) -> None:
    check = found(made.with_engine(made.made_laptop(), self_test))["runtime.llama_cpp"]
    assert (check.status, check.code) == (status, code)


def test_packages_and_python() -> None:
    machine = made.made_laptop()
    runtime = replace(machine.runtime, python="3.9.2", packages=(Package("torch", "2.13.0"),))
    result = found(replace(machine, runtime=runtime))
    assert (result["runtime.torch"].code, result["runtime.bitsandbytes"].code) == (
        "package_found", "package_not_needed",
    )  # fmt: skip
    assert result["runtime.python"].status == "fail"
    assert found(machine)["runtime.python"].status == "ok"


def test_wsl_is_said() -> None:
    machine = made.made_laptop()
    inside = replace(machine, os=replace(machine.os, name="Linux", wsl=True))
    assert found(inside)["os.version"].code == "os_wsl"
