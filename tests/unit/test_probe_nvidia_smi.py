"""nvidia-smi: what it prints, what of it is cut off or not told, and how it is asked again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoglm_desktop.core.gpu_states import OWN_PROGRAM
from autoglm_desktop.core.machine import Gpu, GpuProcess, to_json
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.probe import nvidia_smi, nvidia_smi_csv
from tests.fakes import outputs

MIB = 1 << 20
QUERY = outputs.text("made_nvidia_smi_query.csv")


def test_everything_that_the_query_knows() -> None:
    laptop, strange = nvidia_smi.parse_smi(QUERY, "12.6")
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
        memory_reserved_bytes=225 * MIB,
        memory_clock_mhz=8001,
        core_clock_mhz=3105,
        pcie_generation=1,
        pcie_generation_max=4,
        pcie_width=8,
        pcie_width_max=8,
        power_draw_w=9.87,
        throttle_reasons=("idle",),
        utilisation_percent=12,
        integrated=False,
    )
    assert strange == Gpu(
        1,
        "nvidia",
        "NVIDIA Made, Strange Card",
        memory_total_bytes=4096 * MIB,
        memory_free_bytes=0,
        driver_version="560.94",
        cuda_version="12.6",
        power_limit_w=35.5,
        display_attached=False,
    ), "what it calls [N/A], [Not Supported], [Unknown Error] or [Insufficient Permissions] is unknown"


def test_errors_in_the_cells_and_lines_before_them() -> None:
    (gpu,) = nvidia_smi.parse_smi(outputs.text("made_nvidia_smi_broken.csv"))
    assert gpu == Gpu(0, "nvidia", compute_capability=(8, 9), driver_version="560.94", integrated=False)


def test_decimal_commas() -> None:
    (gpu,) = nvidia_smi.parse_smi(outputs.text("made_nvidia_smi_commas.csv"))
    assert (gpu.memory_total_bytes, gpu.memory_free_bytes) == (6144 * MIB, 5500 * MIB + MIB // 4)
    assert (gpu.power_limit_w, gpu.power_draw_w, gpu.compute_capability) == (115.0, 70.25, (7, 5))
    assert (gpu.name, gpu.throttle_reasons) == ("NVIDIA GeForce RTX 2060", ("power_cap", "heat"))


def test_windows_line_ends() -> None:
    assert nvidia_smi.parse_smi(QUERY.replace("\n", "\r\n")) == nvidia_smi.parse_smi(QUERY)


def test_cut_off_anywhere_tells_nothing_wrong() -> None:
    """Each value is the whole output's or unknown: a number is never a shortened one."""
    whole = nvidia_smi.parse_smi(QUERY, "12.6")
    for length in range(len(QUERY)):
        found = nvidia_smi.parse_smi(QUERY[:length], "12.6")
        assert len(found) <= 2
        for gpu, true in zip(found, whole, strict=False):
            before, after = to_json(gpu), to_json(true)
            assert all(value in (None, after[key]) for key, value in before.items() if key != "processes")
    assert nvidia_smi.parse_smi(QUERY[:-1])[1].name is None, "the last line may end anywhere"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No devices were found\n",
        ",,,,,,,,\n",
        "\0\n" * 3,
        "index\n0\n",
        "index, name\n",
        "index, name\n9999, a\nx, b\n-1, c\n\u0661, d\n, e\n",
        'Field "compute_cap" is not a valid field to query.\n\n',
        "index, index\n\n",
    ],
)
def test_garbage(text: str) -> None:
    assert nvidia_smi.parse_smi(text) == ()


@pytest.mark.parametrize(
    "cell", ["", "nan", "inf", "1e9", "-5", "1.2.3", "0x", "99999999999999", "١٢", "[", "８１８８", "4 294"]
)
def test_no_cell_makes_a_number_up(cell: str) -> None:
    names = [name for name in nvidia_smi.FIELDS if name not in ("index", "name", "driver_version")]
    text = f"index, {', '.join(names)}, name\n0, {', '.join([cell] * len(names))}, made\n"
    (gpu,) = nvidia_smi.parse_smi(text)
    assert gpu == Gpu(0, "nvidia", "made")
    assert machine_from_json({"gpus": [to_json(gpu)]}).gpus == (gpu,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12.0),
        ("12.5", 12.5),
        ("12,5", 12.5),
        (" 3 ", 3.0),
        ("1.234,5", None),
        ("1,2,3", None),
        (None, None),
    ],
)
def test_numbers(text: str | None, expected: float | None) -> None:
    assert nvidia_smi_csv.number(text) == expected


def test_head() -> None:
    assert nvidia_smi.parse_cuda_version(outputs.text("made_nvidia_smi_table.txt")) == "12.6"
    assert nvidia_smi.parse_cuda_version("| CUDA UMD Version: 13.1 |") == "13.1"
    assert nvidia_smi.parse_cuda_version("CUDA Version: N/A") is None
    assert nvidia_smi.parse_cuda_version("CUDA Version: 12.") is None


def test_programs_are_given_to_their_cards() -> None:
    gpus = nvidia_smi.parse_smi(QUERY)
    first, second = nvidia_smi.with_programs(gpus, QUERY, outputs.text("made_nvidia_smi_programs.csv"))
    assert first.processes == (
        GpuProcess("big", 2048 * MIB),
        GpuProcess(None, None),  # its line was cut off
        GpuProcess("game.exe", None),
    )
    assert second.processes == (GpuProcess("small", 300 * MIB),)
    assert nvidia_smi.with_programs(gpus, QUERY, "") == gpus


class Tool:
    """An nvidia-smi that knows some fields, as the real one: one unknown field and it refuses all (exit code 2)."""

    def __init__(self, fields: tuple[str, ...], name: str = "made") -> None:
        self.fields, self.name = fields, name
        self.asked: list[str] = []

    def find(self) -> str:
        return "nvidia-smi"

    def run(self, command: tuple[str, ...], timeout_s: float) -> str | None:
        self.asked.append(" ".join(command[1:2]))
        if len(command) == 1:
            return outputs.text("made_nvidia_smi_table.txt")
        kind, _equals, names = command[1].partition("=")
        if kind == "--query-compute-apps":
            return None
        wanted = names.split(",")
        if any(name not in self.fields for name in wanted):
            return None
        cells = {
            "index": "0",
            "name": self.name,
            "memory.total": "6144",
            "clocks_throttle_reasons.active": "0x4",
        }
        return f"{', '.join(wanted)}\n{', '.join(cells.get(name, '[N/A]') for name in wanted)}\n"


@pytest.mark.parametrize(("level", "reasons"), [(0, None), (1, ("power_cap",)), (2, None), (3, None)])
def test_an_older_driver_is_asked_for_less(level: int, reasons: tuple[str, ...] | None) -> None:
    tool = Tool(nvidia_smi.LEVELS[level])
    (gpu,) = nvidia_smi.probe_smi((), tool.find, tool.run).gpus
    assert (gpu.name, gpu.memory_total_bytes, gpu.cuda_version) == ("made", 6144 * MIB, "12.6")
    assert gpu.throttle_reasons == reasons
    assert sum("--query-gpu" in asked for asked in tool.asked) == level + 1


def test_a_tool_that_knows_nothing_fails_once_and_says_so() -> None:
    tool = Tool(())
    found = nvidia_smi.probe_smi((), tool.find, tool.run)
    assert found.reason is not None and (found.status, found.reason.code) == ("failed", "nvidia_smi_failed")
    assert len(tool.asked) == len(nvidia_smi.LEVELS)


def test_a_tool_that_hangs_is_not_asked_again() -> None:
    asked: list[float] = []

    def hang(command: tuple[str, ...], timeout_s: float) -> None:
        asked.append(timeout_s)

    assert nvidia_smi.query("nvidia-smi", hang, 0.0) is None
    assert asked == []
    assert nvidia_smi.query("nvidia-smi", hang, 60.0) is None
    assert asked == sorted(asked, reverse=True) and max(asked) <= 60.0, "all within the limit"


def answering(
    query: str | None, programs: str | None = None
) -> Callable[[tuple[str, ...], float], str | None]:
    def run(command: tuple[str, ...], _timeout_s: float) -> str | None:
        if len(command) == 1:
            return outputs.text("made_nvidia_smi_table.txt")
        return query if command[1].startswith("--query-gpu") else programs

    return run


def test_it_is_asked_where_nvml_found_nothing() -> None:
    run = answering(QUERY, outputs.text("made_nvidia_smi_programs.csv"))
    found = nvidia_smi.probe_smi((), lambda: "nvidia-smi", run)
    assert [gpu.cuda_version for gpu in found.gpus] == ["12.6", "12.6"]
    assert [process.name for process in found.gpus[1].processes] == ["small"]
    assert OWN_PROGRAM not in str(found)


def test_it_is_not_asked_where_nvml_answered() -> None:
    tool = Tool(nvidia_smi.FIELDS)
    found = nvidia_smi.probe_smi((Gpu(0, "nvidia"),), tool.find, tool.run)
    assert (found.status, tool.asked) == ("skipped", [])


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [(None, "failed", "nvidia_smi_failed"), ("No devices were found\n", "skipped", "nvidia_no_devices")],
)
def test_no_cards(query: str | None, status: str, reason: str) -> None:
    found = nvidia_smi.probe_smi((), lambda: "nvidia-smi", answering(query))
    assert found.reason is not None
    assert (found.status, found.reason.code, found.gpus) == (status, reason, ())


def test_no_tool() -> None:
    found = nvidia_smi.probe_smi((), lambda: None)
    assert found.reason is not None and found.reason.code == "nvidia_smi_missing"
