"""Which engine environments suit which machine: a table of made_ machines."""

from dataclasses import replace

import pytest

from autoglm_desktop.core.environment_choice import Build, Candidate, Place, choose, obstacle, usable
from autoglm_desktop.core.machine import Gpu, Machine, OsInfo
from autoglm_desktop.host.environments import read_descriptions
from autoglm_desktop.store import paths
from autoglm_desktop.texts import reasons

DESCRIPTIONS = read_descriptions(paths.resources() / "environments.toml")
CANDIDATES = tuple(description.candidate for description in DESCRIPTIONS.values())
GIB = 1 << 30


def card(capability, driver="581.15", memory=8 * GIB, index=0):
    return Gpu(
        index, "nvidia", "made card", memory, memory, compute_capability=capability, driver_version=driver
    )


def other(vendor):
    return Gpu(0, vendor, f"made {vendor}", 8 * GIB, 8 * GIB)


PASCAL, VOLTA, TURING, ADA, BLACKWELL = (6, 1), (7, 0), (7, 5), (8, 9), (12, 0)
LINUX, WINDOWS, MAC = OsInfo("Linux"), OsInfo("Windows"), OsInfo("macOS")


def place(os, tag, *gpus, programs=()):
    return Place(Machine(os=os, gpus=gpus), tag, frozenset(programs))


MACHINES = {
    "no card": place(LINUX, "linux-x86_64"),
    "pascal": place(LINUX, "linux-x86_64", card(PASCAL)),
    "maxwell": place(LINUX, "linux-x86_64", card((5, 2))),
    "volta": place(LINUX, "linux-x86_64", card(VOLTA)),
    "turing": place(LINUX, "linux-x86_64", card(TURING)),
    "ada": place(LINUX, "linux-x86_64", card(ADA)),
    "ada, driver 550": place(LINUX, "linux-x86_64", card(ADA, "550.54.14")),
    "ada, driver 470": place(LINUX, "linux-x86_64", card(ADA, "470.82.01")),
    "ada, driver unknown": place(LINUX, "linux-x86_64", card(ADA, None)),
    "ada, nvcc": place(LINUX, "linux-x86_64", card(ADA), programs=["nvcc"]),
    "blackwell": place(WINDOWS, "windows-amd64", card(BLACKWELL)),
    "blackwell, driver 572": place(WINDOWS, "windows-amd64", card(BLACKWELL, "572.61")),
    "windows ada": place(WINDOWS, "windows-amd64", card(ADA)),
    "windows, driver 527": place(WINDOWS, "windows-amd64", card(ADA, "527.41")),
    "pascal and ada": place(LINUX, "linux-x86_64", card(PASCAL), card(ADA, index=1)),
    "container": place(OsInfo("Linux", container=True), "linux-x86_64", card(ADA)),
    "wsl": place(OsInfo("Linux", wsl=True), "linux-x86_64", card(ADA)),
    "wsl amd": place(OsInfo("Linux", wsl=True), "linux-x86_64", other("amd")),
    "amd": place(LINUX, "linux-x86_64", other("amd")),
    "intel": place(WINDOWS, "windows-amd64", other("intel")),
    "arm linux": place(LINUX, "linux-aarch64"),
    "mac": place(MAC, "macos-arm64", other("apple")),
    "intel mac": place(MAC, "macos-x86_64"),
}
"""made_: no real machine's values."""

CUDA_FIRST, VULKAN_FIRST = ["llama-cuda", "llama-vulkan"], ["llama-vulkan", "llama-cuda"]
VULKAN, TORCH = ["llama-vulkan"], ["torch-cuda", "torch-cpu"]
EXPECTED = {  # gguf-gpu, gguf-split, transformers-nf4
    "no card": ([], [], ["torch-cpu"]),
    "pascal": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "maxwell": (VULKAN, VULKAN, ["torch-cpu"]),
    "volta": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "turing": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "ada": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "ada, driver 550": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "ada, driver 470": (VULKAN, VULKAN, ["torch-cpu"]),
    "ada, driver unknown": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "ada, nvcc": (CUDA_FIRST, CUDA_FIRST, TORCH),
    "blackwell": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "blackwell, driver 572": (CUDA_FIRST, VULKAN_FIRST, ["torch-cpu"]),
    "windows ada": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "windows, driver 527": (VULKAN, VULKAN, ["torch-cpu"]),
    "pascal and ada": (CUDA_FIRST, VULKAN_FIRST, TORCH),
    "container": (CUDA_FIRST, CUDA_FIRST, TORCH),
    "wsl": (["llama-cuda"], ["llama-cuda"], TORCH),
    "wsl amd": ([], [], ["torch-cpu"]),
    "amd": (VULKAN, VULKAN, ["torch-cpu"]),
    "intel": (VULKAN, VULKAN, ["torch-cpu"]),
    "arm linux": ([], [], ["torch-cpu"]),
    "mac": (["llama-metal"], ["llama-metal"], ["torch-cpu"]),
    "intel mac": ([], [], []),
}


def names(where, rung):
    return [choice.name for choice in choose(where, rung, CANDIDATES)]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_table_of_machines(machine):
    found = tuple(names(MACHINES[machine], rung) for rung in ("gguf-gpu", "gguf-split", "transformers-nf4"))
    assert found == EXPECTED[machine]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_cpu_rungs_need_the_cpu_engine_alone(machine):
    assert names(MACHINES[machine], "gguf-cpu") == names(MACHINES[machine], "gguf-cpu-safe") == ["llama-cpu"]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_choice_and_every_obstacle_has_a_sentence(machine):
    where = MACHINES[machine]
    for rung in ("gguf-gpu", "gguf-split", "gguf-cpu", "transformers-16bit"):
        for choice in choose(where, rung, CANDIDATES):
            assert reasons.text(choice.reason) != choice.reason.code
    for candidate in CANDIDATES:
        found = obstacle(where, candidate)
        assert found is None or "?" not in reasons.text(found) != found.code


def cuda_of(machine, name):
    attempts = usable(MACHINES[machine], DESCRIPTIONS[name].attempts)
    return [attempt.cuda for attempt in attempts]


@pytest.mark.parametrize(
    ("machine", "llama", "torch"),
    [
        ("turing", ["13.0", "12.4"], ["13.0", "12.6"]),
        ("pascal", ["12.4"], ["12.6"]),
        ("ada, driver 550", ["12.4"], ["12.6"]),
        ("blackwell", ["13.0", "12.4"], ["13.0"]),
        ("blackwell, driver 572", ["12.4"], []),
        ("pascal and ada", ["12.4", "13.0"], ["12.6", "13.0"]),
        ("ada, driver 470", [], []),
        ("ada, nvcc", ["13.0", "12.4", None], ["13.0", "12.6"]),
    ],
)
def test_which_cuda_suits_the_cards(machine, llama, torch):
    assert (cuda_of(machine, "llama-cuda"), cuda_of(machine, "torch-cuda")) == (llama, torch)


@pytest.mark.parametrize(
    ("machine", "name", "code"),
    [
        ("no card", "llama-cuda", "no_gpu"),
        ("amd", "torch-cuda", "needs_nvidia"),
        ("maxwell", "llama-cuda", "card_too_old"),
        ("ada, driver 470", "llama-cuda", "driver_too_old"),
        ("blackwell, driver 572", "torch-cuda", "driver_too_old"),
        ("wsl", "llama-vulkan", "no_vulkan_in_wsl"),
        ("amd", "llama-metal", "no_build_for_system"),
        ("mac", "llama-vulkan", "no_build_for_system"),
        ("arm linux", "llama-vulkan", "no_gpu"),
        ("ada", "llama-cuda", None),
    ],
)
def test_why_not(machine, name, code):
    found = obstacle(MACHINES[machine], DESCRIPTIONS[name].candidate)
    assert (found.code if found is not None else None) == code


def test_the_least_driver_is_named():
    found = obstacle(MACHINES["ada, driver 470"], DESCRIPTIONS["torch-cuda"].candidate)
    assert found.as_dict() == {"driver": "470.82.01", "required": "525.60.13"}


def test_int8_needs_a_newer_card_than_4_bit():
    where = MACHINES["pascal"]
    assert names(where, "transformers-nf4") == ["torch-cuda", "torch-cpu"]
    assert names(where, "transformers-int8") == ["torch-cpu"]


def test_what_has_the_tools_is_built_here_for_split_only():
    where = MACHINES["ada, nvcc"]
    split, gpu = (choose(where, rung, CANDIDATES)[0] for rung in ("gguf-split", "gguf-gpu"))
    assert (split.name, split.kinds) == ("llama-cuda", ("source", "wheel"))
    assert (gpu.name, gpu.kinds) == ("llama-cuda", ("wheel", "source"))


def test_a_build_for_other_platforms_does_not_count():
    windows_only = Candidate("made", "llama.cpp", "cuda", (Build("wheel", ("windows-amd64",), cuda="13.0"),))
    assert choose(MACHINES["ada"], "gguf-gpu", [windows_only]) == ()
    assert obstacle(MACHINES["ada"], windows_only).code == "no_build_for_system"
    assert choose(MACHINES["windows ada"], "gguf-gpu", [windows_only])[0].name == "made"


def test_a_card_that_tells_nothing_is_not_ruled_out():
    silent = replace(MACHINES["ada"], machine=Machine(os=LINUX, gpus=(Gpu(0, "nvidia"),)))
    assert names(silent, "gguf-gpu") == CUDA_FIRST
