"""Why NVIDIA's library has no answer, told from made folders; through the real binding where there is a compiler."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import pytest

from autoglm_desktop.probe import nvidia_missing
from autoglm_desktop.probe.nvidia_missing import Seen, look, why
from autoglm_desktop.texts import check as check_texts
from autoglm_desktop.texts import reasons
from tests.fakes import nvml
from tests.unit.test_probe_nvidia import ask, library, needs_library

without_driver = pytest.mark.skipif(
    ctypes.util.find_library("nvidia-ml") is not None, reason="NVIDIA's own library is on this machine"
)
DRIVER = {"proc/driver/nvidia/version": "NVRM version: made 560.35.03\n"}
DEVICE = {"dev/nvidiactl": ""}
CARD = {
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
}
DOCKER = {".dockerenv": "", "proc/self/cgroup": "0::/docker/made\n"}
BARE = {"proc/self/cgroup": "0::/init.scope\n"}
WSL = {"proc/sys/kernel/osrelease": "6.6.87-microsoft-standard-WSL2\n", **BARE}
DXG = {"dev/dxg": ""}
WSL_LIBRARY = {nvidia_missing.WSL_LIBRARY: ""}

CASES = [
    (12, BARE, "nvidia_driver_missing", "install_nvidia_driver"),
    (12, BARE | CARD, "nvidia_card_without_driver", "install_nvidia_driver"),
    (12, BARE | CARD | DRIVER | DEVICE, "nvidia_library_missing", "install_nvidia_library"),
    (9, BARE | CARD, "nvidia_driver_not_loaded", "load_nvidia_driver"),
    (4, BARE | CARD | DRIVER | DEVICE, "nvidia_no_permission", "nvidia_permission"),
    (18, BARE | CARD | DRIVER | DEVICE, "nvidia_driver_mismatch", "restart_machine"),
    (12, DOCKER, "nvidia_driver_missing", "install_nvidia_driver"),
    (12, DOCKER | CARD | DRIVER, "nvidia_not_in_container", "nvidia_container"),
    (12, DOCKER | CARD, "nvidia_host_without_driver", "nvidia_host_driver"),
    (9, DOCKER | CARD | DRIVER, "nvidia_not_in_container", "nvidia_container"),
    (999, DOCKER | CARD | DRIVER, "nvidia_not_in_container", "nvidia_container"),
    (4, DOCKER | CARD | DRIVER, "nvidia_not_in_container", "nvidia_container"),
    (4, DOCKER | CARD | DRIVER | DEVICE, "nvidia_no_permission", "nvidia_permission"),
    (999, DOCKER | CARD | DRIVER | DEVICE, "nvml_error", None),
    (9, DOCKER, "nvidia_host_without_driver", "nvidia_host_driver"),
    (18, DOCKER | CARD | DRIVER, "nvidia_driver_mismatch", "restart_machine"),
    (12, WSL, "nvidia_driver_missing", "install_nvidia_driver"),
    (12, WSL | DXG, "nvidia_wsl_no_driver", "wsl_driver"),
    (12, WSL | DXG | WSL_LIBRARY, "nvidia_wsl_library_not_found", "wsl_library_path"),
    (12, WSL | DXG | DOCKER, "nvidia_not_in_container", "nvidia_container"),
    (9, WSL | DXG, "nvidia_driver_not_loaded", "load_nvidia_driver"),
]


def made_root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


@needs_library
@pytest.mark.parametrize(("code", "files", "reason", "advice"), CASES)
def test_what_the_surroundings_explain(
    library: Path, tmp_path: Path, code: int, files: dict[str, str], reason: str, advice: str | None
) -> None:
    environment = nvml.environment(library, nvmlInitWithFlags=code)
    for name in ("WSL_DISTRO_NAME", "KUBERNETES_SERVICE_HOST", "container"):
        environment.pop(name, None)
    found = ask(environment, made_root(tmp_path, files))
    assert (found.reason, found.advice, found.gpus) == (reason, advice, ())


@needs_library
@without_driver
def test_no_library_at_all(tmp_path: Path) -> None:
    """The binding itself finds nothing to load."""
    empty = tmp_path / "library"
    empty.mkdir()
    found = ask(nvml.environment(empty), made_root(tmp_path / "root", DOCKER | CARD | DRIVER))
    assert (found.status, found.reason) == ("failed", "nvidia_not_in_container")


@needs_library
@without_driver
def test_a_library_that_is_none(tmp_path: Path) -> None:
    """A file cut off in the middle: the loader refuses it, the binding calls that "not found"."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / nvml.SONAME).write_bytes(b"\x7fELF" + bytes(60))
    found = ask(nvml.environment(folder))
    assert (found.status, found.reason) == ("skipped", "nvidia_driver_missing")


def test_nothing_to_see(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere", {}) == Seen()


def test_codes_that_explain_themselves_are_left_alone() -> None:
    everything = Seen(*[True] * 7)
    assert all(why(code, everything) is None for code in (0, 2, 3, 6, 13, 15, 18))


def test_every_code_has_its_texts() -> None:
    found = {
        why(code, Seen(*(bool(bits >> n & 1) for n in range(7))))
        for code in (4, 9, 12, 999)
        for bits in range(1 << 7)
    }
    told = [one for one in found if one is not None]
    assert len(told) >= 6
    for reason, advice in told:
        assert reason in reasons.TABLE and advice in check_texts.ADVICE


__all__ = ["library"]
