"""The checks in words, and what to do about them: the exact command for each operating system."""

from __future__ import annotations

from ..core.check_values import Check
from ..core.errors import Reason
from ..core.machine import OsInfo
from ..i18n import N_, _
from . import check_advice, check_gpu, reasons
from .check_advice import ANY, WSL, Advice
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
    **check_gpu.SENTENCES,
    "cpu_silent": N_("The processor does not tell."),
    "cores_fine": N_("{cores} cores."),
    "cores_threads": N_("{cores} cores, {threads} threads."),
    "cores_hybrid": N_("{cores} cores; the {fast} fast ones do the work."),
    "cores_numa": N_("{cores} cores in {nodes} NUMA nodes; memory of another node is slower."),
    "cores_few": N_("Only {cores}."),
    "features_fine": N_("{features}."),
    "features_caches": N_("{features}. Caches: L2 {second_bytes}, L3 {third_bytes}."),
    "features_l2": N_("{features}. Cache: L2 {second_bytes}."),
    "features_old": N_("{features}: without AVX2 (or NEON) the CPU is slow with this."),
    "ram_silent": N_("The system does not tell."),
    "ram_total": N_("{total_bytes}."),
    "ram_kind": N_("{total_bytes}, {kind}."),
    "ram_speed": N_("{total_bytes}, {kind} at {speed} MT/s."),
    "ram_channels": N_("{total_bytes}, {kind}, {channels} channels."),
    "ram_full": N_("{total_bytes}, {kind} at {speed} MT/s, {channels} channels: at most {gigabytes} GB/s."),
    "ram_measured": N_("{total_bytes}, read at {gigabytes} GB/s (measured)."),
    "ram_limited": N_("{total_bytes}; a container or a control group allows no more."),
    "ram_one_channel": N_(
        "{total_bytes} of {kind} in one channel: on the CPU text comes about half as fast as with two."
    ),
    "ram_one_channel_speed": N_(
        "{total_bytes} of {kind} in one channel, at most {gigabytes} GB/s: on the CPU text comes about half as fast as "
        "with two."
    ),
    "ram_too_small": N_("{total_bytes} in all; {required_bytes} would be needed."),
    "ram_available": N_("{free_bytes} are free."),
    "ram_short": N_("{free_bytes} are free: {short_bytes} too little."),
    "ram_short_close": N_(
        "{free_bytes} are free: {short_bytes} too little. Close {names} to free {held_bytes}."
    ),
    "ram_short_held": N_(
        "{free_bytes} are free: {short_bytes} too little. Closing {names} frees {held_bytes}, which is not enough."
    ),
    "ram_own": N_("{free_bytes} are free; this program's own engine holds {own_bytes}."),
    "ram_own_enough": N_(
        "{free_bytes} are free; this program's own engine gives back {own_bytes} when it ends."
    ),
    "swap_none": N_("None."),
    "swap_total": N_("{total_bytes}."),
    "swap_fine": N_("{used_bytes} of {total_bytes} in use."),
    "swap_full": N_("{used_bytes} of {total_bytes} in use: the machine is short of memory."),
    "disk_silent": N_("The disk does not tell."),
    "disk_free": N_("{free_bytes} are free in {path}."),
    "disk_short": N_("{free_bytes} are free in {path}: {short_bytes} too little for the download."),
    "disk_read_only": N_("{path} lies on a disk that can only be read; nothing can be stored there."),
    "disk_in_memory": N_(
        "{path} lies in RAM ({file_system}): what is stored takes RAM and is gone after a restart."
    ),
    "disk_fat": N_("{path} lies on {file_system}, which holds no file of 4 GiB or more."),
    "disk_turns": N_("A hard disk: loading takes a minute or more."),
    "disk_network": N_("A network or shared folder: loading is as slow as the way there."),
    "disk_of_windows": N_(
        "A disk of Windows, seen through the Subsystem for Linux, which slows it down a lot."
    ),
    "disk_is_ram": N_("In RAM."),
    "disk_speed": N_("{megabytes} MB/s."),
    "disk_speed_loads": N_("{megabytes} MB/s: {variant} loads in about {load}."),
    "disk_random": N_("{megabytes} MB/s; {iops} random reads of 4 KiB a second, {microseconds} µs each."),
    "disk_random_loads": N_(
        "{megabytes} MB/s: {variant} loads in about {load}. {iops} random reads of 4 KiB a second, {microseconds} µs "
        "each."
    ),
    "disk_slow": N_("Slow: {megabytes} MB/s."),
    "disk_slow_loads": N_("Slow: {megabytes} MB/s; {variant} loads in about {load}."),
    "disk_nvme": N_("NVMe; its speed was not measured."),
    "disk_sata_ssd": N_("SATA SSD; its speed was not measured."),
    "disk_speed_unknown": N_("Not measured."),
    "os_silent": N_("The system does not tell its name."),
    "os_version": N_("{name}."),
    "os_container": N_("{name}, in a container."),
    "os_wsl": N_("{name}, in the Windows Subsystem for Linux."),
    "tuning_not_read": N_("The system does not tell."),
    "tuning_none": N_("Nothing to set on macOS."),
    "tuning_fine": N_("Nothing needs to be changed."),
    "open_files_few": N_("Only {files} files may be open at once; the window and downloads may need more."),
    "swappiness_high": N_(
        "vm.swappiness is {swappiness} and {used_bytes} lie in swap: memory is fetched from disk."
    ),
    "page_file_off": N_("The page file is off and little RAM is left: loading may end with “out of memory”."),
    "python_unknown": N_("Not known."),
    "python_fine": N_("{version}."),
    "python_old": N_("{version} is too old; 3.10 or newer is needed."),
    "package_found": N_("{version}."),
    "package_not_needed": N_("Not installed, and not needed."),
    "package_missing": N_("Not installed."),
    "torch_cpu_only": N_("{version} is a build for the CPU; it cannot use the {gpu}."),
    "torch_driver_old": N_("{version} needs a newer driver than {driver}."),
    "torch_too_new_for_card": N_("{version} no longer supports the {gpu}."),
    "torch_too_old_for_card": N_("{version} does not support the {gpu} yet."),
    "engine_passed": N_("{name} {version}: its self-test passed."),
    "engine_passed_devices": N_("{name} {version}: its self-test passed. It sees: {devices}."),
    "engine_sees_no_gpu": N_("{name} {version} does not see the {gpu}. It sees: {devices}."),
    "engine_safe": N_("{name} {version}: its fast kernels crash on this processor; safe options are used."),
    "engine_untested": N_("{name} {version}: not tested yet."),
    "engine_failed": N_("{name} {version} did not pass its self-test."),
    "engine_missing": N_("Not installed yet."),
}

ADVICE: dict[str, Advice] = {**check_gpu.ADVICE, **check_advice.ADVICE}


def name_text(check: Check) -> str:
    return _(NAMES[check.id])


def sentence(check: Check) -> str:
    """What a check found, as one sentence."""
    parts = {
        key: reasons.text(value) if isinstance(value, Reason) else shown(key, value)
        for key, value in check.values.items()
    }
    return fill(_(SENTENCES[check.code]), parts)


def system_of(system: OsInfo) -> str | None:
    """The operating system as ``advice`` tells them apart."""
    return WSL if system.wsl else system.name


def advice(code: str | None, system: str | None) -> str | None:
    """What to do, with the command of this operating system (``system_of``); None where there is nothing to do."""
    if code is None:
        return None
    choices = ADVICE[code]
    names = (WSL, "Linux") if system == WSL else (system or "",)
    return _(next((choices[name] for name in names if name in choices), choices[ANY]))
