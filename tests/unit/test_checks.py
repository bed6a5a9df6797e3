"""Every check id by made machines."""

from dataclasses import replace

import pytest

from autoglm_desktop.core.check_values import Check
from autoglm_desktop.core.checks import checks, deciding_plan
from autoglm_desktop.core.ladder import plan_model
from autoglm_desktop.core.machine import (
    Disk,
    EngineInfo,
    GpuProcess,
    Machine,
    Package,
    Tuning,
)
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.core.subject import Installed, of_model
from autoglm_desktop.core.torch_builds import hindrance
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
        ({"driver_version": "551.23"}, "gpu.driver", "ok", "driver_cuda"),
        ({"driver_version": "551.23", "cuda_version": None}, "gpu.driver", "ok", "driver_fine"),
        ({"vendor": "amd"}, "gpu.driver", "ok", "driver_other"),
        ({"compute_capability": (5, 0)}, "gpu.compute_capability", "warn", "capability_old"),
        ({"compute_capability": (6, 0)}, "gpu.compute_capability", "ok", "capability_before_turing"),
        ({"compute_capability": (7, 5)}, "gpu.compute_capability", "ok", "capability_fine"),
        ({"compute_capability": (12, 0)}, "gpu.compute_capability", "ok", "capability_blackwell"),
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
    [("passed", "ok", "engine_passed_devices"), ("safe_mode", "ok", "engine_safe"),
     ("not_run", "ok", "engine_untested"), ("failed", "fail", "engine_failed")],
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


def alone(machine: Machine, plan: RungPlan | None = None) -> dict[str, Check]:
    return {check.id: check for check in checks(machine, plan)}


def with_memory(**changes: object) -> Machine:
    machine = made.made_laptop()
    return replace(machine, memory=replace(machine.memory, **changes))


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({}, "ram_total", "GiB."),
        ({"kind": "DDR5"}, "ram_kind", "DDR5."),
        ({"kind": "DDR5", "speed_mt_s": 4800}, "ram_speed", "DDR5 at 4,800 MT/s."),
        ({"kind": "DDR5", "channels": 2}, "ram_channels", "2 channels."),
        ({"kind": "DDR5", "speed_mt_s": 4800, "channels": 2}, "ram_full", "at most 76.8 GB/s."),
        (
            {"kind": "DDR5", "speed_mt_s": 4800, "channels": 2, "limit_bytes": GIB},
            "ram_limited",
            "allows no more",
        ),
    ],
)
def test_what_is_told_of_ram(changes: dict, code: str, text: str) -> None:
    check = alone(with_memory(**changes))["ram.total"]
    assert (check.status, check.code) == ("ok", code) and text in texts.sentence(check)


def test_one_channel_is_a_finding_where_the_cpu_does_the_work() -> None:
    """25.6 GB/s: published for a channel of DDR4-3200."""
    one = {"kind": "DDR4", "speed_mt_s": 3200, "channels": 1}
    check = alone(with_memory(**one), RungPlan("gguf-cpu"))["ram.total"]
    assert (check.status, check.advice) == ("warn", "second_module")
    assert "25.6 GB/s" in texts.sentence(check) and "25.6 GB/s" in (texts.advice(check.advice, "Linux") or "")
    assert alone(with_memory(**one), RungPlan("gguf-gpu"))["ram.total"].status == "ok"
    assert alone(with_memory(kind="DDR4", channels=1))["ram.total"].code == "ram_one_channel"
    assert alone(with_memory(channels=1))["ram.total"].code == "ram_total", "one of what is not known"


def test_measured_ram_is_said() -> None:
    machine = made.made_machine(bandwidth=51_200_000_000)
    assert "51.2 GB/s (measured)" in texts.sentence(alone(machine)["ram.total"])


def test_a_limit_is_raised_before_ram_is_bought() -> None:
    small = made.made_machine(ram_gib=4, free_gib=3)
    inside = replace(small, memory=replace(small.memory, limit_bytes=4 * GIB))
    assert found(small)["ram.total"].advice == "more_ram"
    result = found(inside)
    assert result["ram.total"].advice == result["ram.available"].advice == "raise_ram_limit"
    assert "wsl --shutdown" in (texts.advice("more_ram", "WSL") or "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"performance_cores": 8, "logical_cores": 8}, "cores_fine"),
        ({"performance_cores": 8, "logical_cores": 16, "numa_nodes": 1}, "cores_threads"),
        ({"performance_cores": 4}, "cores_hybrid"),
        ({"numa_nodes": 2}, "cores_numa"),
        ({"physical_cores": 2}, "cores_few"),
    ],
)
def test_kinds_of_cores(changes: dict, code: str) -> None:
    machine = made.made_laptop()
    check = alone(replace(machine, cpu=replace(machine.cpu, **changes)))["cpu.cores"]
    assert check.code == code and "?" not in texts.sentence(check)


def test_few_cores_of_a_container() -> None:
    machine = made.made_laptop()
    cpu, system = replace(machine.cpu, physical_cores=1), replace(machine.os, name="Linux", container=True)
    result = alone(replace(machine, cpu=cpu, os=system))
    assert result["cpu.cores"].advice == "raise_cpu_limit"
    assert "in a container" in texts.sentence(result["os.version"])


def test_the_system_is_not_named_twice() -> None:
    machine = made.made_laptop()
    system = replace(machine.os, name="Linux", version="Made Linux 1 (6.1)")
    assert texts.sentence(alone(replace(machine, os=system))["os.version"]) == "Made Linux 1 (6.1)."
    assert texts.sentence(alone(replace(machine, os=replace(system, version=None)))["os.version"]) == "Linux."


def test_caches_stand_with_the_instructions() -> None:
    machine = made.made_laptop()
    both = replace(machine, cpu=replace(machine.cpu, l2_bytes=2 * MIB, l3_bytes=32 * MIB))
    assert texts.sentence(alone(both)["cpu.features"]).endswith("Caches: L2 2 MiB, L3 32 MiB.")
    one = replace(machine, cpu=replace(machine.cpu, l2_bytes=28 * MIB))
    assert alone(one)["cpu.features"].code == "features_l2"


def with_tuning(
    system: str = "Linux", used: int = 0, free_gib: float = 11, **settings: str | None
) -> Machine:
    machine = made.made_machine(free_gib=free_gib, system=system)
    tuning = tuple(Tuning(name, value) for name, value in settings.items())
    memory = replace(machine.memory, swap_total_bytes=8 * GIB, swap_used_bytes=used)
    return replace(machine, os=replace(machine.os, tuning=tuning), memory=memory)


@pytest.mark.parametrize(
    ("machine", "status", "code"),
    [
        (with_tuning(), "unknown", "tuning_not_read"),
        (with_tuning(swappiness=None), "unknown", "tuning_not_read"),
        (with_tuning("macOS"), "ok", "tuning_none"),
        (with_tuning(open_files="1024", swappiness="60", used=3 * GIB), "ok", "tuning_fine"),
        (with_tuning(open_files="unlimited"), "ok", "tuning_fine"),
        (with_tuning(open_files="256"), "warn", "open_files_few"),
        (with_tuning(swappiness="100", used=2 * GIB), "warn", "swappiness_high"),
        (with_tuning(swappiness="100", used=2 * GIB, swap_device="zram"), "ok", "tuning_fine"),
        (with_tuning(swappiness="100"), "ok", "tuning_fine"),
        (with_tuning(swappiness="1e99", open_files="12,5", used=2 * GIB), "ok", "tuning_fine"),
        (with_tuning(open_files="9" * 9999), "ok", "tuning_fine"),
        (with_tuning("Windows", page_file="off", free_gib=3), "warn", "page_file_off"),
        (with_tuning("Windows", page_file="off"), "ok", "tuning_fine"),
        (with_tuning("Windows", page_file="automatic", free_gib=3), "ok", "tuning_fine"),
    ],
)
def test_settings(machine: Machine, status: str, code: str) -> None:
    check = alone(machine)["os.tuning"]
    assert (check.status, check.code) == (status, code)
    assert "?" not in texts.sentence(check)


def test_published_settings_are_named_as_not_needed() -> None:
    advice = texts.advice(alone(with_tuning(swappiness="60"))["os.tuning"].advice, "Linux") or ""
    assert "65536" in advice and "none of it is needed" in advice


def on_disk(wsl: bool = False, plan: RungPlan | None = None, **changes: object) -> dict[str, Check]:
    machine = made.made_laptop()
    disk = replace(Disk("models", "unknown", 100 * GIB), **changes)
    return alone(replace(machine, disks=(disk,), os=replace(machine.os, wsl=wsl)), plan)


@pytest.mark.parametrize(
    ("changes", "download", "status", "code"),
    [
        ({"read_only": True}, 5 * GIB, "fail", "disk_read_only"),
        ({"read_only": True, "free_bytes": None}, None, "warn", "disk_read_only"),
        ({"file_system": "tmpfs"}, 5 * GIB, "warn", "disk_in_memory"),
        ({"file_system": "vfat"}, 5 * GIB, "fail", "disk_fat"),
        ({"file_system": "FAT32"}, GIB, "warn", "disk_fat"),
        ({"file_system": "exfat", "read_only": False}, 5 * GIB, "ok", "disk_free"),
        ({"file_system": "tmpfs", "free_bytes": GIB}, 5 * GIB, "fail", "disk_short"),
        ({"free_bytes": None}, 5 * GIB, "unknown", "disk_silent"),
    ],
)
def test_where_models_cannot_be_stored(changes: dict, download: int | None, status: str, code: str) -> None:
    check = on_disk(plan=RungPlan("gguf-cpu", download_bytes=download), **changes)["disk.free"]
    assert (check.status, check.code) == (status, code)
    assert "?" not in texts.sentence(check)


@pytest.mark.parametrize(
    ("changes", "wsl", "status", "code"),
    [
        ({"file_system": "9p"}, True, "warn", "disk_of_windows"),
        ({"file_system": "9p"}, False, "warn", "disk_network"),
        ({"file_system": "nfs4"}, False, "warn", "disk_network"),
        ({"kind": "nvme"}, False, "ok", "disk_nvme"),
        ({"kind": "sata_ssd"}, False, "ok", "disk_sata_ssd"),
        ({"kind": "hdd"}, False, "warn", "disk_turns"),
        ({"kind": "hdd", "sequential_read_bytes_per_s": 180_000_000}, False, "warn", "disk_slow"),
        ({"sequential_read_bytes_per_s": 60_000_000}, False, "warn", "disk_slow"),
        ({"file_system": "nfs", "sequential_read_bytes_per_s": 900_000_000}, False, "ok", "disk_speed"),
        ({"file_system": "tmpfs"}, False, "ok", "disk_is_ram"),
        ({}, False, "unknown", "disk_speed_unknown"),
        ({"sequential_read_bytes_per_s": 0}, False, "unknown", "disk_speed_unknown"),
    ],
)
def test_disk_speeds(changes: dict, wsl: bool, status: str, code: str) -> None:
    check = on_disk(wsl, **changes)["disk.speed"]
    assert (check.status, check.code) == (status, code)


def test_a_measured_disk_says_how_long_the_variant_loads() -> None:
    measured = {
        "sequential_read_bytes_per_s": 3_500_000_000, "random_read_iops": 12_000, "random_read_latency_s": 8.1e-5,
    }  # fmt: skip
    check = on_disk(plan=RungPlan("gguf-cpu", "Q4_K_M", load_s=1.76), **measured)["disk.speed"]
    expected = "3,500 MB/s: Q4_K_M loads in about 1.8 s. 12,000 random reads of 4 KiB a second, 81 µs each."
    assert texts.sentence(check) == expected
    assert check.required is None and "550 MB/s" in (texts.advice(check.advice, "Linux") or "")
    assert on_disk(**measured)["disk.speed"].code == "disk_random"
    slow = {"sequential_read_bytes_per_s": 50_000_000}
    check = on_disk(plan=RungPlan("x", "Q8_0", load_s=200), **slow)["disk.speed"]
    assert texts.sentence(check) == "Slow: 50 MB/s; Q8_0 loads in about 3 min 20 s."


CUDA_ENGINE = EngineInfo("llama-cuda", "llama.cpp", "0.3.36", ("CPU",), "passed")


def test_an_engine_for_the_card_that_does_not_see_it() -> None:
    machine = made.made_rtx_4060()
    blind = replace(machine, runtime=replace(machine.runtime, engines=(CUDA_ENGINE,)))
    check = alone(blind)["runtime.llama_cpp"]
    assert (check.status, check.code) == ("warn", "engine_sees_no_gpu")
    assert "RTX 4060" in texts.sentence(check)
    seeing = replace(CUDA_ENGINE, devices=("CUDA0 (NVIDIA GeForce RTX 4060)", "CPU"))
    check = alone(replace(machine, runtime=replace(machine.runtime, engines=(seeing,))))["runtime.llama_cpp"]
    assert check.status == "ok" and "CUDA0" in texts.sentence(check)
    for other in (replace(CUDA_ENGINE, name="llama-cpu"), replace(CUDA_ENGINE, devices=())):
        result = alone(replace(machine, runtime=replace(machine.runtime, engines=(other,))))
        assert result["runtime.llama_cpp"].status == "ok"
    laptop = made.made_laptop()
    assert alone(replace(laptop, runtime=blind.runtime))["runtime.llama_cpp"].status == "ok", (
        "there is no card"
    )


@pytest.mark.parametrize(
    ("torch", "changes", "expected"),
    [
        ("2.13.0+cpu", {}, "torch_cpu_only"),
        ("2.15.0", {}, "torch_cpu_only"),  # the package index's build for Windows
        ("2.14.0+cu126", {}, None),
        ("2.14.0+cu126", {"compute_capability": (12, 0)}, "torch_too_old_for_card"),
        ("2.11.0+cu128", {"compute_capability": (12, 0)}, None),
        ("2.8.0+cu128", {"compute_capability": (6, 1)}, "torch_too_new_for_card"),
        ("2.7.0+cu128", {"compute_capability": (6, 1)}, None),
        ("2.11.0+cu128", {"compute_capability": (7, 0)}, "torch_too_new_for_card"),
        ("2.14.0+cu126", {"compute_capability": (6, 1)}, None),
        ("2.15.0+cu132", {"compute_capability": (7, 0), "driver_version": "600.1"}, "torch_too_new_for_card"),
        ("2.15.0+cu130", {"driver_version": "551.23"}, "torch_driver_old"),
        ("2.15.0+cu130", {"driver_version": "581.00"}, None),
        ("2.14.0+cu126", {"driver_version": "470.05"}, "torch_driver_old"),
        ("2.14.0+cu126", {"driver_version": None, "compute_capability": None}, None),
        ("nonsense+cu", {}, None),
    ],
)
def test_torch_against_the_card(torch: str, changes: dict, expected: str | None) -> None:
    """Minimums of docs/numbers.md, section 7; the made card has compute capability 8.9 and driver 551.23."""
    gpu = replace(made.made_rtx_4090().gpus[0], **changes)
    assert hindrance(torch, gpu, "Windows") == expected


def test_torch_is_judged_only_where_the_plan_needs_it() -> None:
    machine = made.made_rtx_4090()
    machine = replace(machine, runtime=replace(machine.runtime, packages=(Package("torch", "2.13.0+cpu"),)))
    assert alone(machine, RungPlan("gguf-gpu"))["runtime.torch"].code == "package_found"
    check = alone(machine, RungPlan("transformers-nf4"))["runtime.torch"]
    assert (check.status, check.code) == ("warn", "torch_cpu_only")
    assert "cu130" in (texts.advice(check.advice, "Windows") or "")


NONSENSE = {
    "os": {"name": "", "version": "", "tuning": [{"name": "", "value": ""}, {"name": "open_files", "value": "-1"}]},
    "cpu": {"name": "", "physical_cores": 0, "numa_nodes": 0, "l2_bytes": 1, "l3_bytes": 0, "features": ["", "?"]},
    "memory": {"total_bytes": 0, "available_bytes": 1 << 62, "kind": "", "channels": 0, "speed_mt_s": 10**15},
    "disks": [{"path": "", "kind": "tape", "file_system": "?", "random_read_latency_s": 1e9, "random_read_iops": 1,
               "sequential_read_bytes_per_s": 1}],
    "runtime": {"python": "", "engines": [{"name": "", "devices": [""], "self_test": "maybe"}], "packages": []},
}  # fmt: skip


def test_a_machine_file_with_nonsense_has_all_checks() -> None:
    machine = machine_from_json(NONSENSE)
    for result in (found(machine), alone(machine)):
        assert list(result) == IDS
        for check in result.values():
            assert texts.sentence(check) and check.status in ("ok", "warn", "fail", "unknown")


@pytest.mark.parametrize(
    "part",
    [
        {"memory": {"channels": -1}}, {"memory": {"speed_mt_s": "3200"}}, {"memory": {"limit_bytes": 1.5}},
        {"cpu": {"l3_bytes": float("nan")}}, {"cpu": {"numa_nodes": 1 << 64}}, {"os": {"tuning": [{"value": "1"}]}},
        {"os": {"container": "yes"}}, {"disks": [{"path": "x", "read_only": 1}]},
        {"disks": [{"path": "x", "random_read_latency_s": -1}]},
    ],
)  # fmt: skip
def test_values_that_no_machine_has_are_refused(part: dict) -> None:
    with pytest.raises(ValueError, match=r"expected|out of range|missing"):
        machine_from_json(part)
