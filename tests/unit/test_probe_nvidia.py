"""NVML by its real binding, over a made library in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.gpu_states import OWN_PROGRAM
from autoglm_desktop.core.machine import Gpu, GpuProcess, from_json, to_json
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.probe import nvidia, nvidia_card, nvidia_processes, nvidia_smi
from tests.fakes import nvml

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
SCRIPT = """
import json, os, pathlib
from autoglm_desktop.core.machine import to_json
from autoglm_desktop.probe.nvidia import probe_nvml
print(json.dumps(to_json(probe_nvml(root=pathlib.Path(os.environ["MADE_ROOT"])))))
"""
NOWHERE = ROOT / "no-such-folder"
"""Nothing explains a failure there."""
unbuildable = nvml.reason_not_buildable()
needs_library = pytest.mark.skipif(unbuildable is not None, reason=unbuildable or "")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml-old"), *nvml.NEW_SINCE_470)


@pytest.fixture(scope="session")
def coming_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml-coming"), *nvml.GONE_IN_CUDA_14)


class Finding:
    def __init__(self, data: dict[str, object]) -> None:
        self.status = data["status"]
        self.reason = (data["reason"] or {}).get("code")  # type: ignore[attr-defined]
        self.advice = (data["advice"] or {}).get("code")  # type: ignore[attr-defined]
        self.gpus = tuple(from_json(Gpu, item) for item in data["gpus"])  # type: ignore[attr-defined]


def ask(environment: dict[str, str], root: Path = NOWHERE) -> Finding:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=dict(environment, MADE_ROOT=str(root)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Finding(json.loads(done.stdout))


@needs_library
def test_a_gaming_card(library: Path) -> None:
    card = nvml.RTX_4060 | {
        "ComputeRunningProcesses": [{"pid": 7_000_077, "mib": 512, "name": "/home/made/secret/bin/python3"}],
        "GraphicsRunningProcesses": [{"pid": 7_000_009, "mib": None, "name": "/usr/lib/xorg/Xorg"}],
    }
    found = ask(nvml.environment(library, [card]))
    assert (found.status, found.reason) == ("found", None)
    assert found.gpus == (
        Gpu(
            0,
            "nvidia",
            "NVIDIA GeForce RTX 4060",
            memory_total_bytes=8188 * MIB,
            memory_free_bytes=7000 * MIB,
            compute_capability=(8, 9),
            driver_version="560.35.03",
            cuda_version="12.6",
            memory_bandwidth_bytes_per_s=272_032_000_000,
            power_limit_w=115.0,
            temperature_c=41,
            bar1_total_bytes=8192 * MIB,
            display_attached=True,
            processes=(GpuProcess("python3", 512 * MIB), GpuProcess("Xorg", None)),
            memory_reserved_bytes=280 * MIB,
            bus_width_bits=128,
            memory_clock_mhz=8501,
            core_clock_mhz=3105,
            cores=3072,
            pcie_generation=1,
            pcie_generation_max=4,
            pcie_width=8,
            pcie_width_max=8,
            power_draw_w=11.87,
            throttle_reasons=("idle",),
            utilisation_percent=3,
            integrated=False,
        ),
    )


@needs_library
def test_several_cards_in_their_order(library: Path) -> None:
    found = ask(nvml.environment(library, [nvml.RTX_3060, nvml.A100_80, nvml.GTX_1060]))
    assert [gpu.index for gpu in found.gpus] == [0, 1, 2]
    assert [round((gpu.memory_bandwidth_bytes_per_s or 0) / 1e9) for gpu in found.gpus] == [360, 2039, 192]
    assert [gpu.compute_capability for gpu in found.gpus] == [(8, 6), (8, 0), (6, 1)]
    assert [gpu.display_attached for gpu in found.gpus] == [False, False, True]


def process(pid: int, mib: int | None, name: str | None = None) -> dict[str, object]:
    """Of a number that no process here has."""
    return {"pid": 7_000_000 + pid, "mib": mib} | ({"name": name} if name else {})


@needs_library
def test_a_driver_older_than_the_binding(old_library: Path) -> None:
    """Its library lacks what came later: only that is unknown."""
    card = nvml.GTX_1060 | {
        "ComputeRunningProcesses": [process(5, 100, "/srv/made/app")],
        "CurrentClocksEventReasons": 4,
    }
    (gpu,) = ask(nvml.environment(old_library, [card], driver="470.10", cuda=11040)).gpus
    assert gpu.processes == (GpuProcess("app", 100 * MIB),)
    assert (gpu.memory_total_bytes, gpu.memory_reserved_bytes) == (6144 * MIB, None)
    assert gpu.throttle_reasons == ("power_cap",), "by its old name"
    assert (gpu.bus_width_bits, gpu.memory_bandwidth_bytes_per_s, gpu.cores) == (None, None, None)
    assert (gpu.temperature_c, gpu.memory_clock_mhz, gpu.cuda_version) == (55, 4004, "11.4")


@needs_library
def test_a_driver_newer_than_the_binding(coming_library: Path) -> None:
    """What the binding calls deprecated is gone, and a reason has a bit that nobody knew."""
    card = nvml.RTX_4060 | {"CurrentClocksEventReasons": 0x8020}
    (gpu,) = ask(nvml.environment(coming_library, [card], driver="700.01", cuda=14000)).gpus
    assert (gpu.temperature_c, gpu.throttle_reasons) == (41, ("heat", "bit_15"))
    assert (gpu.cuda_version, gpu.driver_version) == ("14.0", "700.01")


@needs_library
@pytest.mark.parametrize("missing", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
def test_a_library_without_what_is_needed_first(tmp_path: Path, missing: str) -> None:
    library = nvml.build(tmp_path / "library", missing)
    found = ask(nvml.environment(library, [nvml.RTX_4060]))
    assert (found.status, found.reason, found.advice) == (
        "failed",
        "nvidia_driver_too_old",
        "update_nvidia_driver",
    )


@needs_library
def test_a_library_with_nothing_but_names(tmp_path: Path) -> None:
    """Every other function is missing at once."""
    kept = {
        "nvmlInitWithFlags",
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetName",
    }
    library = nvml.build(tmp_path / "library", *(nvml.functions() - kept))
    (gpu,) = ask(nvml.environment(library, [nvml.RTX_4060])).gpus
    assert gpu == Gpu(0, "nvidia", "NVIDIA GeForce RTX 4060")


@needs_library
def test_a_card_that_shares_the_systems_memory(library: Path) -> None:
    (gpu,) = ask(nvml.environment(library, [nvml.UNIFIED], cuda=13000)).gpus
    assert (gpu.name, gpu.memory_total_bytes, gpu.memory_bandwidth_bytes_per_s) == ("NVIDIA GB10", None, None)
    assert (gpu.compute_capability, gpu.cuda_version, gpu.power_limit_w) == ((12, 1), "13.0", None)
    assert gpu.integrated is True
    (orin,) = ask(nvml.environment(library, [nvml.UNIFIED | {"CudaComputeCapability": [8, 7]}])).gpus
    (unknown,) = ask(nvml.environment(library, [{"Name": "made"}])).gpus
    assert (orin.integrated, unknown.integrated) == (True, None)


@needs_library
@pytest.mark.parametrize("card", [nvml.LAPTOP, nvml.VGPU])
def test_what_a_card_does_not_support_is_unknown(library: Path, card: nvml.Card) -> None:
    """A laptop's power limit is the firmware's; a vGPU has no clocks, link, power or temperature of its own."""
    (gpu,) = ask(nvml.environment(library, [card])).gpus
    assert gpu.memory_total_bytes and gpu.compute_capability and gpu.processes == ()
    assert (gpu.power_limit_w, gpu.power_draw_w) == (None, None)
    if card is nvml.VGPU:
        silent = (
            gpu.temperature_c,
            gpu.memory_bandwidth_bytes_per_s,
            gpu.pcie_generation,
            gpu.pcie_width_max,
        )
        assert silent == (None, None, None, None)
        assert (gpu.throttle_reasons, gpu.utilisation_percent, gpu.cores) == (None, None, None)


@needs_library
def test_a_device_without_memory(library: Path) -> None:
    """Zeros are no values; nothing of it is 0."""
    (gpu,) = ask(nvml.environment(library, [nvml.ZERO])).gpus
    assert gpu == Gpu(
        0,
        "nvidia",
        "NVIDIA Made Zero",
        compute_capability=(8, 6),
        driver_version="560.35.03",
        cuda_version="12.6",
        integrated=False,
    )


@needs_library
def test_numbers_that_mean_unknown(library: Path) -> None:
    nothing = 0xFFFFFFFF
    names = (
        "MemoryBusWidth",
        "EnforcedPowerLimit",
        "PowerUsage",
        "Temperature",
        "NumGpuCores",
        "MaxPcieLinkWidth",
    )
    card = nvml.RTX_4060 | dict.fromkeys(names, nothing) | {"UtilizationRates": 101}
    card["MaxClockInfo"] = {"graphics": nothing, "sm": nothing, "memory": nothing}
    (gpu,) = ask(nvml.environment(library, [card])).gpus
    assert (gpu.bus_width_bits, gpu.power_limit_w, gpu.power_draw_w, gpu.temperature_c) == (None,) * 4
    assert (gpu.cores, gpu.pcie_width_max, gpu.core_clock_mhz, gpu.utilisation_percent) == (None,) * 4


@needs_library
def test_sixteen_cards(library: Path) -> None:
    cards = [nvml.A100_80 | {"Temperature": 30 + index} for index in range(16)]
    found = ask(nvml.environment(library, cards))
    assert [(gpu.index, gpu.temperature_c) for gpu in found.gpus] == [(n, 30 + n) for n in range(16)]
    assert len({gpu.memory_total_bytes for gpu in found.gpus}) == 1


@needs_library
def test_a_divided_card_is_what_a_program_sees_of_it(library: Path) -> None:
    """Multi-Instance GPU: the first part, not the whole card with its memory, cores and bandwidth."""
    found = ask(nvml.described(library, nvml.description("made_mig.json")))
    (gpu,) = found.gpus
    assert (found.status, found.reason) == ("found", "gpu_divided")
    assert (gpu.name, gpu.memory_total_bytes) == ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", 9728 * MIB)
    assert (gpu.cores, gpu.memory_bandwidth_bytes_per_s, gpu.bar1_total_bytes) == (None, None, None)


@needs_library
def test_a_divided_card_without_parts(library: Path) -> None:
    told = nvml.description("made_mig.json")
    del told["cards"][0]["MigDevices"]
    found = ask(nvml.described(library, told))
    assert (found.status, found.reason, found.advice) == ("found", "gpu_divided_empty", "mig_devices")
    assert (found.gpus[0].memory_total_bytes, found.gpus[0].memory_free_bytes) == (None, None)


@needs_library
def test_a_question_that_fails_costs_its_field_only(library: Path) -> None:
    errors = {
        "nvmlDeviceGetTemperature": 3,
        "nvmlDeviceGetTemperatureV": 3,
        "nvmlDeviceGetComputeRunningProcesses_v3": 4,
        "nvmlDeviceGetComputeRunningProcesses_v2": 4,
        "nvmlDeviceGetBAR1MemoryInfo": 999,
        "nvmlSystemGetCudaDriverVersion_v2": 13,
        "nvmlSystemGetProcessName": 4,
    }
    card = nvml.RTX_4060 | {"GraphicsRunningProcesses": [process(9, 300, "/usr/bin/made")]}
    (gpu,) = ask(nvml.environment(library, [card], **errors)).gpus
    assert (gpu.temperature_c, gpu.bar1_total_bytes, gpu.cuda_version) == (None, None, None)
    assert gpu.processes == (GpuProcess(None, 300 * MIB),)
    assert gpu.memory_total_bytes == 8188 * MIB


@needs_library
def test_strange_bytes_in_names(library: Path) -> None:
    card = nvml.RTX_4060 | {"Name": os.fsdecode(b"Made \xff card")}
    (gpu,) = ask(nvml.environment(library, [card])).gpus
    assert gpu.name is None
    assert gpu.memory_total_bytes == 8188 * MIB


@needs_library
@pytest.mark.parametrize("function", ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo"])
def test_a_card_that_fell_off_the_bus_leaves_the_others(library: Path, function: str) -> None:
    found = ask(nvml.environment(library, [nvml.RTX_3060, nvml.RTX_4060], **{f"{function}_at_0": 15}))
    assert (found.status, found.reason, found.advice) == ("found", "gpu_not_responding", "restart_machine")
    assert [gpu.name for gpu in found.gpus] == [None, "NVIDIA GeForce RTX 4060"]
    assert found.gpus[0].memory_total_bytes is None


@needs_library
@pytest.mark.parametrize(
    ("function", "code", "status", "reason", "advice"),
    [
        ("nvmlInitWithFlags", 9, "failed", "nvidia_driver_not_loaded", "load_nvidia_driver"),
        ("nvmlInitWithFlags", 18, "failed", "nvidia_driver_mismatch", "restart_machine"),
        ("nvmlInitWithFlags", 4, "failed", "nvidia_no_permission", "nvidia_permission"),
        ("nvmlInitWithFlags", 13, "failed", "nvidia_driver_too_old", "update_nvidia_driver"),
        ("nvmlInitWithFlags", 15, "failed", "gpu_not_responding", "restart_machine"),
        ("nvmlInitWithFlags", 999, "failed", "nvml_error", None),
        ("nvmlDeviceGetCount_v2", 999, "failed", "nvml_error", None),
        ("nvmlShutdown", 999, "skipped", "nvidia_no_devices", None),
    ],
)
def test_nvml_as_a_whole_fails(
    library: Path, function: str, code: int, status: str, reason: str, advice: str | None
) -> None:
    found = ask(nvml.environment(library, **{function: code}))
    assert (found.status, found.reason, found.advice, found.gpus) == (status, reason, advice, ())


@needs_library
@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        (4, "nvidia_no_permission", "nvidia_permission"),
        (8, "gpu_power_cable", "check_power_cable"),
        (15, "gpu_not_responding", "restart_machine"),
        (999, "gpu_not_responding", "restart_machine"),
    ],
)
def test_one_card_of_two_that_cannot_be_asked(library: Path, code: int, reason: str, advice: str) -> None:
    errors = {"nvmlDeviceGetHandleByIndex_v2_at_1": code}
    found = ask(nvml.environment(library, [nvml.RTX_3060, nvml.RTX_4060], **errors))
    assert (found.status, found.reason, found.advice) == ("found", reason, advice)
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA GeForce RTX 3060", None]


@needs_library
def test_a_card_that_is_lost_while_it_is_asked(library: Path) -> None:
    """It still answers the first question: what it told of its memory is worth nothing any more."""
    functions = nvml.functions() - {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo"}
    names = {name for name in functions if name.startswith("nvmlDeviceGet")}
    for lost in (names, {"nvmlDeviceGetPowerUsage"}, {"nvmlDeviceGetUtilizationRates"}):
        errors = {f"{name}_at_0": 15 for name in lost}
        found = ask(nvml.environment(library, [nvml.RTX_4060, nvml.RTX_3060], **errors))
        assert (found.status, found.reason, found.advice) == (
            "found",
            "gpu_not_responding",
            "restart_machine",
        )
        assert found.gpus[0] == Gpu(0, "nvidia", driver_version="560.35.03", cuda_version="12.6")
        assert found.gpus[1].memory_total_bytes == 12288 * MIB


@needs_library
@pytest.mark.parametrize("code", [1, 2, 3, 4, 7, 10, 13, 15, 17, 20, 999])
def test_whatever_fails_leaves_a_machine_that_can_be_written_and_read(library: Path, code: int) -> None:
    functions = nvml.functions() - {"nvmlInitWithFlags", "nvmlDeviceGetCount_v2"}
    found = ask(nvml.environment(library, [nvml.RTX_4060, nvml.RTX_3060], **dict.fromkeys(functions, code)))
    assert [(gpu.index, gpu.vendor) for gpu in found.gpus] == [(0, "nvidia"), (1, "nvidia")]
    assert found.gpus == tuple(Gpu(index, "nvidia") for index in range(2)), "nothing is invented"
    assert machine_from_json({"gpus": to_json(found.gpus)}).gpus == found.gpus


@needs_library
def test_no_cards(library: Path) -> None:
    found = ask(nvml.environment(library))
    assert (found.status, found.reason) == ("skipped", "nvidia_no_devices")


def test_no_driver_is_said_with_what_helps() -> None:
    found = nvidia.unavailable(12, "NVML Shared Library Not Found")
    assert found.reason is not None and found.advice is not None
    assert (found.status, found.reason.code) == ("skipped", "nvidia_driver_missing")
    assert found.advice.code == "install_nvidia_driver"


def test_without_the_python_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = nvidia.probe_nvml()
    assert found.reason is not None and found.reason.code == "nvml_python_missing"


@pytest.mark.parametrize(
    ("clock", "bus", "expected"),
    [
        (8501, 128, 272_032_000_000),
        (7501, 192, 360_048_000_000),
        (10501, 384, 1_008_096_000_000),
        (1593, 5120, 2_039_040_000_000),
        (None, 128, None),
        (8501, None, None),
        (0, 128, None),
        (8501, 0, None),
    ],
)
def test_bandwidth(clock: int | None, bus: int | None, expected: int | None) -> None:
    assert nvidia_card.bandwidth(clock, bus) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(12060, "12.6"), (13000, "13.0"), (11080, "11.8"), (0, None), (None, None)]
)
def test_cuda_version(number: int | None, expected: str | None) -> None:
    assert nvidia.cuda_version(number) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/usr/lib/xorg/Xorg", "Xorg"),
        ("/srv/made/chrome --type=gpu-process --user-data-dir=/home/me/private", "chrome"),
        (r"C:\Program Files\Made App\app.exe", "app.exe"),
        (r"C:\Windows\System32\dwm.exe -x", "dwm.exe"),
        ("python3", "python3"),
        ("/home/我/程序/玩家", "玩家"),
        ("", None),
        (None, None),
        ("/", None),
        ("/srv/made/\x1b]0;title\x07game\n", "]0;title game"),
        ("/srv/made/" + "x" * 300, "x" * 100),
    ],
)
def test_only_the_programs_name_is_kept(command: str | None, expected: str | None) -> None:
    assert nvidia_processes.program_name(command) == expected


def test_a_process_in_both_lists_counts_once() -> None:
    found = nvidia_processes.merge_processes([(1, 10), (2, None), (1, 30), (2, 5)], {1: "a", 2: "b"}.get)
    assert found == (GpuProcess("a", 30), GpuProcess("b", 5))


def test_this_programs_own_processes_are_told_apart() -> None:
    found = nvidia_processes.merge_processes([(1, 10), (2, 30)], {1: "a", 2: "b"}.get, lambda pid: pid == 2)
    assert found == (GpuProcess(OWN_PROGRAM, 30), GpuProcess("a", 10))


def test_own_are_this_process_what_it_started_and_engines() -> None:
    sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE) as child:
        assert nvidia_processes.is_own_process(child.pid)
        assert child.stdin is not None
        child.stdin.close()
    assert nvidia_processes.is_own_process(os.getpid())
    assert not nvidia_processes.is_own_process(os.getppid())


@pytest.mark.parametrize("pid", [0x7FFFFFFF, 0xFFFFFFFF, 7_000_001])
def test_a_process_that_is_not_here_is_not_own(pid: int) -> None:
    assert not nvidia_processes.is_own_process(pid)


def test_an_engine_of_another_window_is_own() -> None:
    """Started by somebody else than this process; recognised by how engines are started."""
    environment = dict(os.environ, MADE_ENGINE=engine_command(Path(sys.executable))[-1])
    script = """
import os, subprocess, sys
wait = "import sys; sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", wait, os.environ["MADE_ENGINE"]], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
"""
    ask_other = (
        "import sys; from autoglm_desktop.probe.nvidia_processes import is_own_process as own; "
        "print(own(int(sys.argv[1])), own(int(sys.argv[2])))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        pid = parent.stdout.readline().strip()
        asked = [sys.executable, "-c", ask_other, pid, str(parent.pid)]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60)
        parent.stdin.close()
    assert done.stdout.split() == ["True", "False"], done.stderr


@pytest.mark.parametrize(
    ("answers", "expected"),
    [((1, 0), True), ((0, 1), True), ((0, 0), False), ((None, 0), False), ((None, None), None)],
)
def test_a_display(answers: tuple[int | None, ...], expected: bool | None) -> None:
    assert nvidia_card.any_true(*answers) is expected


@pytest.mark.gpu
def test_a_real_card_tells_the_same_by_both_ways() -> None:
    by_library = nvidia.probe_nvml()
    if not by_library.gpus:
        pytest.skip(f"no NVIDIA GPU here: {by_library.reason.code if by_library.reason else 'none found'}")
    by_tool = nvidia_smi.probe_smi(())
    if not by_tool.gpus:
        pytest.skip("an NVIDIA GPU, but no nvidia-smi to compare with")
    for one, other in zip(by_library.gpus, by_tool.gpus, strict=True):
        assert (one.name, one.compute_capability, one.driver_version) == (
            other.name,
            other.compute_capability,
            other.driver_version,
        )
        assert one.memory_total_bytes is not None and other.memory_total_bytes is not None
        assert abs(one.memory_total_bytes - other.memory_total_bytes) <= 2 * MIB
        assert one.cuda_version == other.cuda_version
