"""Stands in for ``python -m pip``: ``fake_pip.py MODE --python PYTHON install …``.

Modes: ``ok`` (writes a llama_cpp distribution into the environment), ``no-wheel`` (fails with --only-binary, else ok),
``no-report`` (knows no --dry-run), ``fail``, ``offline``, ``full``, ``hang`` (starts a child in a process group of its
own, as ninja does with compilers, says which, and waits).
"""

import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

OFFLINE = "WARNING: Retrying … NewConnectionError: Failed to establish a new connection: Connection refused"


def site_packages(python: Path) -> Path:
    prefix = str(python.parent.parent)
    return Path(sysconfig.get_path("purelib", vars={"base": prefix, "platbase": prefix}))


def install(python: Path) -> None:
    print("Collecting llama-cpp-python")
    for done in (0, 50, 100):
        print(f"Progress {done} of 100")
    print("Building wheel for llama-cpp-python (pyproject.toml): started")
    for step in range(1, 4):
        print(f"  [{step}/3] Building CXX object ggml.cpp.o", flush=True)
    folder = site_packages(python) / "llama_cpp_python-0.3.99.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.3.99\n")
    print("Successfully installed llama-cpp-python-0.3.99")


def resolve(report: Path) -> None:
    """A report whose one file lies on this machine."""
    url = "file:///made/llama_cpp_python-0.3.99-py3-none-any.whl"
    metadata = {"name": "llama-cpp-python", "version": "0.3.99"}
    install = [{"download_info": {"url": url, "archive_info": {}}, "metadata": metadata}]
    report.write_text(json.dumps({"version": "1", "install": install}))


def main() -> int:
    mode, arguments = sys.argv[1], sys.argv[2:]
    python = Path(arguments[arguments.index("--python") + 1])
    if mode == "fail":
        print("  gcc -c something")
        print("ERROR: Failed building wheel for llama-cpp-python")
        return 1
    if mode == "offline":
        print(OFFLINE)
        print("ERROR: No matching distribution found for llama-cpp-python")
        return 1
    if mode == "full":
        print("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
        return 1
    if mode == "no-wheel" and "--only-binary" in arguments:
        print("ERROR: No matching distribution found for llama-cpp-python")
        return 1
    if mode == "hang":
        own_group = "import os, time; os.name == 'posix' and os.setpgid(0, 0); print('on', flush=True); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", own_group], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        print(f"Collecting child={child.pid}", flush=True)
        time.sleep(600)
    if "--dry-run" in arguments:
        if mode == "no-report":
            print("no such option: --dry-run")
            return 2
        resolve(Path(arguments[arguments.index("--report") + 1]))
        return 0
    install(python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
