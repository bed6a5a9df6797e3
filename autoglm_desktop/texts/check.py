"""The checks in words, and what to do about them: the exact command for each operating system."""

from __future__ import annotations

from ..core.check_values import Check
from ..core.machine import OsInfo
from ..i18n import N_, _
from .values import fill, shown

NAMES: dict[str, str] = {
    "gpu.present": N_("GPU"),
    "gpu.memory": N_("GPU memory"),
    "gpu.driver": N_("GPU driver"),
    "gpu.compute_capability": N_("GPU generation"),
    "gpu.bar1": N_("Resizable BAR"),
    "gpu.temperature": N_("GPU temperature"),
    "cpu.cores": N_("CPU cores"),
    "cpu.features": N_("CPU instructions"),
    "ram.total": N_("RAM"),
    "ram.available": N_("Free RAM"),
    "ram.swap": N_("Swap"),
    "disk.free": N_("Free disk space"),
    "disk.speed": N_("Disk speed"),
    "os.version": N_("Operating system"),
    "os.tuning": N_("System settings"),
    "runtime.python": N_("Python"),
    "runtime.torch": N_("torch"),
    "runtime.llama_cpp": N_("Engine llama.cpp"),
    "runtime.bitsandbytes": N_("bitsandbytes"),
}

SENTENCES: dict[str, str] = {
    "gpu_none": N_("No GPU was found; the CPU does the work."),
    "gpu_found": N_("{name}"),
    "gpu_silent": N_("The card does not tell."),
    "gpu_memory": N_("{free_bytes} of {total_bytes} are free."),
    "gpu_memory_short": N_("{free_bytes} of {total_bytes} are free: {short_bytes} too little."),
    "gpu_memory_held": N_(
        "{free_bytes} of {total_bytes} are free; other programs hold {held_bytes}: {names}."
    ),
    "driver_missing": N_("NVIDIA's driver is missing or does not answer."),
    "driver_fine": N_("{driver} is new enough. A CUDA toolkit is not needed."),
    "driver_other": N_("{driver}"),
    "driver_old": N_("{driver} is too old; {required} or newer is needed."),
    "capability_fine": N_("Compute capability {capability}."),
    "capability_old": N_("Compute capability {capability} is older than the published builds support."),
    "bar1_whole": N_("On."),
    "bar1_small": N_("Off; that costs little."),
    "temperature_fine": N_("{celsius} °C."),
    "temperature_high": N_("{celsius} °C: hot, the card will slow down."),
    "cpu_silent": N_("The processor does not tell."),
    "cores_fine": N_("{cores}."),
    "cores_few": N_("Only {cores}."),
    "features_fine": N_("{features}."),
    "features_old": N_("{features}: without AVX2 (or NEON) the CPU is slow with this."),
    "ram_silent": N_("The system does not tell."),
    "ram_total": N_("{total_bytes}."),
    "ram_too_small": N_("{total_bytes} in all; {required_bytes} would be needed."),
    "ram_available": N_("{free_bytes} are free."),
    "ram_short": N_("{free_bytes} are free: {short_bytes} too little."),
    "swap_none": N_("None."),
    "swap_fine": N_("{used_bytes} of {total_bytes} in use."),
    "swap_full": N_("{used_bytes} of {total_bytes} in use: the machine is short of memory."),
    "disk_silent": N_("The disk does not tell."),
    "disk_free": N_("{free_bytes} are free in {path}."),
    "disk_short": N_("{free_bytes} are free in {path}: {short_bytes} too little for the download."),
    "disk_turns": N_("A hard disk: loading takes minutes."),
    "disk_speed": N_("{speed_bytes} per second."),
    "disk_nvme": N_("NVMe; its speed was not measured."),
    "disk_sata_ssd": N_("SATA SSD; its speed was not measured."),
    "disk_speed_unknown": N_("Not measured."),
    "os_silent": N_("The system does not tell its name."),
    "os_version": N_("{name} {version}."),
    "os_wsl": N_("{name} {version}, in the Windows Subsystem for Linux."),
    "tuning_not_read": N_("Not looked at."),
    "python_unknown": N_("Not known."),
    "python_fine": N_("{version}."),
    "python_old": N_("{version} is too old; 3.10 or newer is needed."),
    "package_found": N_("{version}."),
    "package_not_needed": N_("Not installed, and not needed."),
    "package_missing": N_("Not installed."),
    "engine_passed": N_("{name} {version}: its self-test passed."),
    "engine_safe": N_("{name} {version}: its fast kernels crash on this processor; safe options are used."),
    "engine_untested": N_("{name} {version}: not tested yet."),
    "engine_failed": N_("{name} {version} did not pass its self-test."),
    "engine_missing": N_("Not installed yet."),
}

Advice = dict[str, str]

_ANY, _WSL = "*", "WSL"
_DRIVER_IN_WINDOWS = N_(
    "Install the current driver from https://www.nvidia.com/drivers in Windows, not in the Subsystem for Linux; then, "
    "in Windows: wsl --shutdown"
)
ADVICE: dict[str, Advice] = {
    "gpu_none": {
        _ANY: N_("Published guides ask for an NVIDIA card with 8 GB or more; a smaller GGUF also runs on a CPU."),
    },
    "gpu_memory_short": {
        _ANY: N_("Close programs that use the GPU, or take a way below that needs less of it."),
    },
    "close_programs": {
        _ANY: N_("Close programs that you don't need now (browsers, games, other models)."),
    },
    "install_nvidia_driver": {
        _WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("Ubuntu: sudo ubuntu-drivers install · Debian: sudo apt install nvidia-driver · Fedora (RPM "
                    "Fusion): sudo dnf install akmod-nvidia · Arch: sudo pacman -S nvidia; then restart."),
        "Windows": N_("Install the driver from https://www.nvidia.com/drivers, then restart."),
        _ANY: N_("Install NVIDIA's driver, then restart."),
    },
    "update_nvidia_driver": {
        _WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("Ubuntu: sudo ubuntu-drivers install · Debian: sudo apt upgrade nvidia-driver · Fedora: sudo "
                    "dnf upgrade akmod-nvidia · Arch: sudo pacman -Syu; then restart."),
        "Windows": N_("Install the current driver from https://www.nvidia.com/drivers, then restart."),
        _ANY: N_("Update NVIDIA's driver, then restart."),
    },
    "load_nvidia_driver": {
        _WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("sudo modprobe nvidia; if that fails, restart (Secure Boot needs a signed driver)."),
        _ANY: N_("Restart the machine."),
    },
    "restart_machine": {_ANY: N_("Restart the machine.")},
    "install_nvidia_ml_py": {_ANY: N_("python -m pip install nvidia-ml-py")},
    "capability_old": {_ANY: N_("Use the CPU, or a card of the GTX 10 series or newer.")},
    "bar1_small": {
        _ANY: N_("If you like: turn on “Above 4G Decoding” and “Resizable BAR” in the firmware settings."),
    },
    "cool_gpu": {_ANY: N_("Clean the fans, give the case air, or lower the power limit (guides: at most 85 °C).")},
    "cores_few": {_ANY: N_("Published guides ask for 4 cores, better 8.")},
    "features_old": {_ANY: N_("Use the GPU, or a processor from 2013 or later.")},
    "more_ram": {_ANY: N_("Published guides ask for 16 GB, better 32; a smaller variant needs less.")},
    "free_disk": {_ANY: N_("Free some space, or move all data: set AUTOGLM_HOME to a folder on a larger disk.")},
    "disk_turns": {_ANY: N_("Keep models on an SSD: set AUTOGLM_HOME to a folder there.")},
    "python_old": {
        "Linux": N_("Debian, Ubuntu: sudo apt install python3 · Fedora: sudo dnf install python3."),
        "Windows": N_("winget install Python.Python.3.12"),
        "macOS": N_("brew install python@3.12"),
        _ANY: N_("Install Python 3.10 or newer."),
    },
    "install_torch": {_ANY: N_("The GGUF ways need no torch; take one of them.")},
    "install_engine": {_ANY: N_("autoglm-desktop engines install llama-cpu")},
    "engine_failed": {_ANY: N_("autoglm-desktop engines test llama-cpu, or remove it and install it again.")},
}  # fmt: skip


def name_text(check: Check) -> str:
    return _(NAMES[check.id])


def sentence(check: Check) -> str:
    """What a check found, as one sentence."""
    parts = {key: shown(key, value) for key, value in check.values.items()}
    return fill(_(SENTENCES[check.code]), parts)


def system_of(system: OsInfo) -> str | None:
    """The operating system as ``advice`` tells them apart."""
    return _WSL if system.wsl else system.name


def advice(code: str | None, system: str | None) -> str | None:
    """What to do, with the command of this operating system (``system_of``); None where there is nothing to do."""
    if code is None:
        return None
    choices = ADVICE[code]
    names = (_WSL, "Linux") if system == _WSL else (system or "",)
    return _(next((choices[name] for name in names if name in choices), choices[_ANY]))
