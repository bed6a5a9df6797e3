"""The checks of the graphics card in words, and what to do about them."""

from __future__ import annotations

from ..i18n import N_
from .check_advice import ANY, WSL, Advice

SENTENCES: dict[str, str] = {
    "gpu_none": N_("No GPU was found; the CPU does the work."),
    "gpu_found": N_("{name}"),
    "gpu_noted": N_("{name}; but: {why}."),
    "gpu_silent": N_("The card does not tell."),
    "gpu_memory": N_("{free_bytes} of {total_bytes} are free."),
    "gpu_memory_short": N_("{free_bytes} of {total_bytes} are free: {short_bytes} too little."),
    "gpu_memory_held": N_(
        "{free_bytes} of {total_bytes} are free; other programs hold {held_bytes}: {names}."
    ),
    "gpu_link_idle": N_(
        "{name}. Link: {link} now, at most {most}: cards lower it while they have little to do."
    ),
    "gpu_link_busy": N_("{name}. It works, yet its link is {link} instead of {most}: loading takes longer."),
    "gpu_memory_short_close": N_(
        "{free_bytes} of {total_bytes} are free: {short_bytes} too little. Close {names} to free {held_bytes}."
    ),
    "gpu_memory_short_held": N_(
        "{free_bytes} of {total_bytes} are free: {short_bytes} too little. Closing {names} frees {held_bytes}, which "
        "is not enough."
    ),
    "gpu_memory_held_own": N_(
        "{free_bytes} of {total_bytes} are free; this program's own engine and others hold {held_bytes}: {names}."
    ),
    "gpu_memory_own": N_(
        "{free_bytes} of {total_bytes} are free; this program's own engine holds {own_bytes}."
    ),
    "gpu_memory_own_enough": N_(
        "{free_bytes} of {total_bytes} are free; this program's own engine gives back {own_bytes} when it ends."
    ),
    "gpu_memory_unseen": N_(
        "{free_bytes} of {total_bytes} are free; {held_bytes} are held by programs that cannot be seen from here."
    ),
    "gpu_memory_desktop": N_("{free_bytes} of {total_bytes} are free; the desktop holds {held_bytes}."),
    "driver_unusable": N_("No answer from NVIDIA's driver: {why}."),
    "driver_outside": N_("The card is there, but this container was not given its driver."),
    "driver_cuda": N_("{driver}, for CUDA up to {cuda}, is new enough. A CUDA toolkit is not needed."),
    "capability_before_turing": N_(
        "Compute capability {capability}: GGUF runs; torch supports it up to 2.14 in its builds for CUDA 12.6."
    ),
    "capability_blackwell": N_(
        "Compute capability {capability}; torch needs a build for CUDA 12.8 or newer for it."
    ),
    "slowed_by_heat": N_("{celsius} °C: heat slows the card down right now."),
    "slowed_by_heat_silent": N_("Heat slows the card down right now."),
    "slowed_by_supply": N_("{celsius} °C; the power supply or the board slows the card down right now."),
    "slowed_by_supply_silent": N_("The power supply or the board slows the card down right now."),
    "at_power_limit": N_(
        "{celsius} °C; at its power limit of {limit} W right now, which is normal under load."
    ),
    "temperature_power": N_("{celsius} °C; {draw} of {limit} W."),
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
}

_DRIVER_IN_WINDOWS = N_(
    "Install the current driver from https://www.nvidia.com/drivers in Windows, not in the Subsystem for Linux; then, "
    "in Windows: wsl --shutdown"
)
ADVICE: dict[str, Advice] = {
    "gpu_none": {
        WSL: N_("If Windows has an NVIDIA card: install its driver in Windows, then, there: wsl --update and wsl "
                "--shutdown. Without one a smaller GGUF runs on the CPU."),
        ANY: N_("Published guides ask for an NVIDIA card with 8 GB or more; a smaller GGUF also runs on a CPU."),
    },
    "gpu_memory_short": {
        ANY: N_("Close programs that use the GPU, or take a way below that needs less of it."),
    },
    "gpu_none_container": {
        ANY: N_("If the machine has an NVIDIA card, start the container with it: docker run --gpus all (the host needs "
                "the NVIDIA Container Toolkit). Without one a smaller GGUF runs on the CPU."),
    },
    "close_gpu_programs": {
        WSL: N_("Close what you don't need now, in Windows, too: its Task Manager shows who uses the GPU's memory."),
        "Linux": N_("Close what you don't need now. Who holds how much: nvidia-smi"),
        "Windows": N_("Close what you don't need now. Who holds how much: taskmgr, Details, column “Dedicated GPU "
                      "memory”"),
        ANY: N_("Close programs that use the GPU and that you don't need now."),
    },
    "display_elsewhere": {
        ANY: N_("If you like: plug the screen into the mainboard; the other graphics chip then shows the desktop."),
    },
    "pcie_slot": {
        ANY: N_("Use the long slot next to the processor, without a riser cable; look for “PCIe speed” in the firmware "
                "settings."),
    },
    "nvidia_container": {
        WSL: N_("Docker Desktop: docker run --gpus all. Docker inside the Subsystem: install the NVIDIA Container "
                "Toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker"),
        ANY: N_("On the host: install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure "
                "--runtime=docker && sudo systemctl restart docker; start the container with: docker run --gpus all"),
    },
    "nvidia_host_driver": {
        ANY: N_("Install NVIDIA's driver on the host, not in the container; then start the container with: docker run "
                "--gpus all"),
    },
    "nvidia_permission": {
        WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("ls -l /dev/nvidia* shows who may use the card; often: sudo usermod -aG video,render $USER, then "
                    "log in again."),
        "Windows": N_("Ask who administers this machine."),
        ANY: N_("Ask who administers this machine."),
    },
    "install_nvidia_library": {
        "Linux": N_("The driver's library is missing: Ubuntu: sudo ubuntu-drivers install · Debian: sudo apt install "
                    "libnvidia-ml1 · Fedora: sudo dnf install xorg-x11-drv-nvidia-cuda-libs · Arch: sudo pacman -S "
                    "nvidia-utils"),
        ANY: N_("Install NVIDIA's driver again."),
    },
    "wsl_driver": {ANY: _DRIVER_IN_WINDOWS},
    "wsl_library_path": {
        ANY: N_("sudo ldconfig; if that is not enough: export LD_LIBRARY_PATH=/usr/lib/wsl/lib"),
    },
    "mig_devices": {
        "Linux": N_("Make a part: sudo nvidia-smi mig -cgi 0 -C; or turn the division off: sudo nvidia-smi -mig 0"),
        ANY: N_("Ask who administers this machine."),
    },
    "check_power_cable": {
        ANY: N_("Check the card's power cables and whether the power supply is strong enough; a laptop needs its own "
                "charger."),
    },
    "install_nvidia_driver": {
        WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("Ubuntu: sudo ubuntu-drivers install · Debian: sudo apt install nvidia-driver · Fedora (RPM "
                    "Fusion): sudo dnf install akmod-nvidia · Arch: sudo pacman -S nvidia; then restart."),
        "Windows": N_("Install the driver from https://www.nvidia.com/drivers, then restart."),
        ANY: N_("Install NVIDIA's driver, then restart."),
    },
    "update_nvidia_driver": {
        WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("Ubuntu: sudo ubuntu-drivers install · Debian: sudo apt upgrade nvidia-driver · Fedora: sudo "
                    "dnf upgrade akmod-nvidia · Arch: sudo pacman -Syu; then restart."),
        "Windows": N_("Install the current driver from https://www.nvidia.com/drivers, then restart."),
        ANY: N_("Update NVIDIA's driver, then restart."),
    },
    "no_toolkit": {
        ANY: N_("A CUDA toolkit (nvcc) and cuDNN, which published guides ask for, are not needed: engines bring what "
                "they use."),
    },
    "load_nvidia_driver": {
        WSL: _DRIVER_IN_WINDOWS,
        "Linux": N_("sudo modprobe nvidia; if that fails, restart (Secure Boot needs a signed driver)."),
        ANY: N_("Restart the machine."),
    },
    "restart_machine": {ANY: N_("Restart the machine.")},
    "install_nvidia_ml_py": {ANY: N_("python -m pip install nvidia-ml-py")},
    "capability_old": {ANY: N_("Use the CPU, or a card of the GTX 10 series or newer.")},
    "bar1_small": {
        ANY: N_("If you like: turn on “Above 4G Decoding” and “Resizable BAR” in the firmware settings."),
    },
    "cool_gpu": {ANY: N_("Clean the fans, give the case air, or lower the power limit (guides: at most 85 °C).")},
}  # fmt: skip
