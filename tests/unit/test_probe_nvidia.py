"""The NVIDIA probes: NVML through a made library in a process of its own, nvidia-smi by its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Gpu, GpuProcess, from_json
from autoglm_desktop.probe import nvidia, nvidia_smi
from tests.fakes import nvml, outputs

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
SCRIPT = """
import json
from autoglm_desktop.core.machine import to_json
from autoglm_desktop.probe.nvidia import probe_nvml
print(json.dumps(to_json(probe_nvml())))
"""
unbuildable = nvml.reason_not_buildable()
needs_library = pytest.mark.skipif(unbuildable is not None, reason=unbuildable or "")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml-old"), "NO_V3", "NO_MEMORY_V2")


class Finding:
    def __init__(self, data: dict[str, object]) -> None:
        self.status = data["status"]
        self.reason = (data["reason"] or {}).get("code")  # type: ignore[attr-defined]
        self.advice = (data["advice"] or {}).get("code")  # type: ignore[attr-defined]
        self.gpus = tuple(from_json(Gpu, item) for item in data["gpus"])  # type: ignore[attr-defined]


def ask(environment: dict[str, str]) -> Finding:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return Finding(json.loads(done.stdout))


@needs_library
def test_a_gaming_card(library: Path) -> None:
    card = nvml.RTX_4060 | {
        "COMPUTE": "77:512:/home/made/secret/bin/python3",
        "GRAPHICS": "9:?:/usr/lib/xorg/Xorg",
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
        ),
    )


@needs_library
def test_several_cards_in_their_order(library: Path) -> None:
    found = ask(nvml.environment(library, [nvml.RTX_3060, nvml.A100_80, nvml.GTX_1060]))
    assert [gpu.index for gpu in found.gpus] == [0, 1, 2]
    assert [round((gpu.memory_bandwidth_bytes_per_s or 0) / 1e9) for gpu in found.gpus] == [360, 2039, 192]
    assert [gpu.compute_capability for gpu in found.gpus] == [(8, 6), (8, 0), (6, 1)]
    assert [gpu.display_attached for gpu in found.gpus] == [False, False, True]


@needs_library
def test_an_old_driver_without_newer_calls(old_library: Path) -> None:
    card = nvml.GTX_1060 | {"COMPUTE": "5:100:/srv/made/app"}
    (gpu,) = ask(nvml.environment(old_library, [card], driver="470.10")).gpus
    assert gpu.processes == (GpuProcess("app", 100 * MIB),)
    assert (gpu.memory_total_bytes, gpu.memory_reserved_bytes) == (6144 * MIB, None)


@needs_library
def test_a_card_that_shares_the_systems_memory(library: Path) -> None:
    (gpu,) = ask(nvml.environment(library, [nvml.UNIFIED], cuda=13000)).gpus
    assert (gpu.name, gpu.memory_total_bytes, gpu.memory_bandwidth_bytes_per_s) == ("NVIDIA GB10", None, None)
    assert (gpu.compute_capability, gpu.cuda_version, gpu.power_limit_w) == ((12, 1), "13.0", None)


@needs_library
def test_a_question_that_fails_costs_its_field_only(library: Path) -> None:
    errors = {
        "nvmlDeviceGetTemperature": 3,
        "nvmlDeviceGetComputeRunningProcesses_v3": 4,
        "nvmlDeviceGetComputeRunningProcesses_v2": 4,
        "nvmlDeviceGetBAR1MemoryInfo": 999,
        "nvmlSystemGetCudaDriverVersion_v2": 13,
        "nvmlSystemGetProcessName": 4,
    }
    card = nvml.RTX_4060 | {"GRAPHICS": "9:300:/usr/bin/made"}
    (gpu,) = ask(nvml.environment(library, [card], **errors)).gpus
    assert (gpu.temperature_c, gpu.bar1_total_bytes, gpu.cuda_version) == (None, None, None)
    assert gpu.processes == (GpuProcess(None, 300 * MIB),)
    assert gpu.memory_total_bytes == 8188 * MIB


@needs_library
def test_strange_bytes_in_names(library: Path) -> None:
    card = nvml.RTX_4060 | {"NAME": os.fsdecode(b"Made \xff card")}
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
        ("nvmlInitWithFlags", 4, "failed", "nvidia_no_permission", None),
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
    assert nvidia.bandwidth(clock, bus) == expected


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
    ],
)
def test_only_the_programs_name_is_kept(command: str | None, expected: str | None) -> None:
    assert nvidia.program_name(command) == expected


def test_a_process_in_both_lists_counts_once() -> None:
    found = nvidia.merge_processes([(1, 10), (2, None), (1, 30), (2, 5)], {1: "a", 2: "b"}.get)
    assert found == (GpuProcess("a", 30), GpuProcess("b", 5))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [((1, 0), True), ((0, 1), True), ((0, 0), False), ((None, 0), False), ((None, None), None)],
)
def test_a_display(answers: tuple[int | None, ...], expected: bool | None) -> None:
    assert nvidia.any_true(*answers) is expected


def test_smi_query() -> None:
    laptop, strange = nvidia_smi.parse_smi(outputs.text("made_nvidia_smi_query.csv"), "12.6")
    assert laptop == Gpu(
        0,
        "nvidia",
        "NVIDIA GeForce RTX 4060 Laptop GPU",
        memory_total_bytes=8188 * MIB,
        memory_free_bytes=7013 * MIB,
        compute_capability=(8, 9),
        driver_version="560.94",
        cuda_version="12.6",
        temperature_c=47,
        display_attached=True,
    )
    assert (strange.name, strange.memory_free_bytes, strange.power_limit_w) == (
        "NVIDIA Made, Strange Card",
        0,
        35.5,
    )
    assert (strange.compute_capability, strange.temperature_c, strange.display_attached) == (
        None,
        None,
        False,
    )


def test_smi_that_speaks_of_errors() -> None:
    (gpu,) = nvidia_smi.parse_smi(outputs.text("made_nvidia_smi_broken.csv"))
    assert gpu == Gpu(0, "nvidia", compute_capability=(8, 9), driver_version="560.94")


@pytest.mark.parametrize("text", ["", "No devices were found\n", ",,,,,,,,\n", "\0\n" * 3])
def test_smi_garbage(text: str) -> None:
    assert nvidia_smi.parse_smi(text) == ()


def test_smi_head() -> None:
    assert nvidia_smi.parse_cuda_version(outputs.text("made_nvidia_smi_table.txt")) == "12.6"
    assert nvidia_smi.parse_cuda_version("| CUDA UMD Version: 13.1 |") == "13.1"
    assert nvidia_smi.parse_cuda_version("CUDA Version: N/A") is None


class Tool:
    """An nvidia-smi that prints what it was told, or fails (None)."""

    def __init__(self, query: str | None, table: str | None = None) -> None:
        self.answers = {True: query, False: table}
        self.calls = 0

    def find(self) -> str:
        return "nvidia-smi"

    def run(self, command: tuple[str, ...], timeout_s: float) -> str | None:
        self.calls += 1
        return self.answers[len(command) > 1]


def test_smi_is_asked_where_nvml_found_nothing() -> None:
    tool = Tool(outputs.text("made_nvidia_smi_query.csv"), outputs.text("made_nvidia_smi_table.txt"))
    found = nvidia_smi.probe_smi((), tool.find, tool.run)
    assert [gpu.cuda_version for gpu in found.gpus] == ["12.6", "12.6"]


def test_smi_is_not_asked_where_nvml_answered() -> None:
    tool = Tool("")
    found = nvidia_smi.probe_smi((Gpu(0, "nvidia"),), tool.find, tool.run)
    assert (found.status, tool.calls) == ("skipped", 0)


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [(None, "failed", "nvidia_smi_failed"), ("No devices were found\n", "skipped", "nvidia_no_devices")],
)
def test_smi_without_cards(query: str | None, status: str, reason: str) -> None:
    tool = Tool(query)
    found = nvidia_smi.probe_smi((), tool.find, tool.run)
    assert found.reason is not None
    assert (found.status, found.reason.code, found.gpus) == (status, reason, ())


def test_no_smi() -> None:
    found = nvidia_smi.probe_smi((), lambda: None)
    assert found.reason is not None and found.reason.code == "nvidia_smi_missing"


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
