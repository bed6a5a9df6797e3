"""What to do about a check that is not the graphics card's: the exact command for each operating system."""

from __future__ import annotations

from ..i18n import N_

Advice = dict[str, str]
"""Texts by operating system; ``ANY`` for those that are not named."""

ANY, WSL = "*", "WSL"

ADVICE: dict[str, Advice] = {
    "close_programs": {
        "Linux": N_("Close programs that you don't need now. Which take most: ps axo rss,comm --sort=-rss | head"),
        "Windows": N_("Close programs that you don't need now (browsers, games, other models): taskmgr shows them."),
        "macOS": N_("Close programs that you don't need now. Which take most: top -o mem"),
        ANY: N_("Close programs that you don't need now (browsers, games, other models)."),
    },
    "cores_few": {ANY: N_("Published guides ask for 4 cores, better 8.")},
    "features_old": {ANY: N_("Use the GPU, or a processor from 2013 or later.")},
    "raise_cpu_limit": {
        ANY: N_("The container may have a limit: docker run --cpus 8. Published guides ask for 4 cores, better 8."),
    },
    "numa": {
        "Linux": N_("Worth a try: start with numactl --interleave=all in front of the command."),
        ANY: N_("Nothing has to be done."),
    },
    "more_ram": {
        WSL: N_("The Subsystem gets half of the RAM. In Windows, write [wsl2] and memory=24GB (as you like) into "
                 "%UserProfile%\\.wslconfig, then: wsl --shutdown"),
        ANY: N_("Published guides ask for 16 GB, better 32; a smaller variant needs less."),
    },
    "raise_ram_limit": {
        "Linux": N_("Raise the limit (docker run --memory 24g · systemd-run --scope -p MemoryMax=24G COMMAND), or take "
                    "a smaller variant."),
        ANY: N_("Raise the container's limit, or take a smaller variant."),
    },
    "second_module": {
        ANY: N_("Put a second module of the same kind into the other channel's slot (the board's manual shows which). "
                 "Published: a channel of DDR4-3200 has 25.6 GB/s, one of DDR5-4800 38.4; two have twice that."),
    },
    "free_disk": {
        "Linux": N_("Free some space, or move all data to a larger disk: export AUTOGLM_HOME=/PATH"),
        "Windows": N_("Free some space (cleanmgr), or move all data to a larger disk: setx AUTOGLM_HOME D:\\AutoGLM"),
        "macOS": N_("Free some space, or move all data to a larger disk: export AUTOGLM_HOME=/Volumes/NAME/AutoGLM"),
        ANY: N_("Free some space, or move all data: set AUTOGLM_HOME to a folder on a larger disk."),
    },
    "other_disk": {
        "Linux": N_("Keep models on an SSD of this machine: export AUTOGLM_HOME=/PATH"),
        "Windows": N_("Keep models on an SSD of this machine: setx AUTOGLM_HOME D:\\AutoGLM"),
        "macOS": N_("Keep models on an SSD of this machine: export AUTOGLM_HOME=/PATH"),
        ANY: N_("Keep models on an SSD of this machine: set AUTOGLM_HOME to a folder there."),
    },
    "disk_read_only": {
        "Linux": N_("Take another folder (export AUTOGLM_HOME=/PATH), or if it is yours to change: sudo mount -o "
                    "remount,rw MOUNT_POINT"),
        "Windows": N_("Take another folder: setx AUTOGLM_HOME D:\\AutoGLM"),
        "macOS": N_("Take another folder: export AUTOGLM_HOME=/PATH"),
        ANY: N_("Take another folder: set AUTOGLM_HOME to it."),
    },
    "disk_of_windows": {
        ANY: N_("Keep models in Linux's own file system, not under /mnt: export AUTOGLM_HOME=~/autoglm"),
    },
    "measure": {ANY: N_("autoglm-desktop check --measure")},
    "disk_published": {
        ANY: N_("Published for comparison: SATA SSD about 550 MB/s and 100,000 random reads a second, NVMe 3,500 MB/s "
                 "and 600,000. Those are many reads at once; here it is one at a time."),
    },
    "open_files_few": {
        "Linux": N_("ulimit -n 4096 before the start; for good: a line \"* soft nofile 4096\" in "
                    "/etc/security/limits.conf. Published guides for servers set 65536."),
        ANY: N_("Raise the limit of open files: ulimit -n 4096"),
    },
    "swappiness_high": {
        "Linux": N_("sudo sysctl vm.swappiness=10 (what published guides set); for good: a line vm.swappiness=10 in "
                    "/etc/sysctl.d/90-swappiness.conf"),
        ANY: N_("Set vm.swappiness to 10, as published guides do."),
    },
    "page_file_off": {
        ANY: N_("Run SystemPropertiesPerformance, choose Advanced, Virtual memory, let Windows manage its size, and "
                 "restart."),
    },
    "tuning_published": {
        "Linux": N_("Published guides for servers set ulimit -n 65536, vm.swappiness=10, fs.file-max=2097152 and "
                    "net.core.somaxconn=65535. For local use none of it is needed."),
        "Windows": N_("A page file that Windows manages is right. Hardware-accelerated GPU scheduling is not needed."),
        ANY: N_("For local use nothing is needed."),
    },
    "python_old": {
        "Linux": N_("Debian, Ubuntu: sudo apt install python3 · Fedora: sudo dnf install python3."),
        "Windows": N_("winget install Python.Python.3.12"),
        "macOS": N_("brew install python@3.12"),
        ANY: N_("Install Python 3.10 or newer."),
    },
    "install_torch": {ANY: N_("The GGUF ways need no torch; take one of them.")},
    "torch_for_card": {
        "Windows": N_("python -m pip install --force-reinstall torch --index-url "
                      "https://download.pytorch.org/whl/cu130; the GGUF ways need no torch."),
        "Linux": N_("python -m pip install --force-reinstall torch --index-url "
                    "https://download.pytorch.org/whl/cu130; the GGUF ways need no torch."),
        ANY: N_("The GGUF ways need no torch; take one of them."),
    },
    "torch_for_old_card": {
        ANY: N_("python -m pip install --force-reinstall \"torch<2.15\" --index-url "
                 "https://download.pytorch.org/whl/cu126; the GGUF ways need no torch."),
    },
    "engine_sees_no_gpu": {
        ANY: N_("Install or update the card's driver, then: autoglm-desktop engines test NAME"),
    },
    "test_engine": {ANY: N_("autoglm-desktop engines test llama-cpu")},
    "install_engine": {ANY: N_("autoglm-desktop engines install llama-cpu")},
    "engine_failed": {ANY: N_("autoglm-desktop engines test llama-cpu, or remove it and install it again.")},
}  # fmt: skip
