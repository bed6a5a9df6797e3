"""The layers of docs/architecture.md, enforced on the tree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "autoglm_desktop"

# What each layer may import of the others. Everything may import itself, i18n and po where listed.
ALLOWED = {
    "core": set(),
    "po": set(),
    "i18n": {"po", "store"},
    "probe": {"core"},
    "store": {"core"},
    "host": {"core", "store"},
    "usecases": {"core", "probe", "store", "host", "texts", "i18n"},
    "texts": {"core", "i18n", "host", "usecases"},
    "engine": {"core", "store"},
    "service": {"core", "usecases", "texts", "i18n", "store"},
    "gui": {"core", "usecases", "texts", "i18n", "store", "host", "service"},
    "launcher": {"po"},
    "cli": {"core", "usecases", "texts", "i18n", "store", "host", "app", "service", "cli"},
    "app": {"core", "usecases", "texts", "i18n", "store", "host", "gui"},
    "__main__": {"cli", "engine", "host"},
}
ENGINE_STORE = ("gguf", "safetensors")
FENCED = {
    "PySide6": ("gui", "app"),
    "pygments": ("gui",),
    "torch": ("engine",),
    "transformers": ("engine",),
    "bitsandbytes": ("engine",),
    "accelerate": ("engine",),
    "safetensors": ("engine",),
    "llama_cpp": ("engine",),
    "fastapi": ("service",),
    "starlette": ("service",),
    "uvicorn": ("service",),
    "h11": ("service",),
    "prometheus_client": ("service",),
    "opentelemetry": ("service",),
    "pynvml": ("probe",),
    "httpx": ("store",),
    "httpcore": ("store",),
    "truststore": ("store",),
    "keyring": ("store",),
    "PIL": ("store",),
}
LIGHT_THIRD_PARTY = {"numpy"}


def layer_of(module: str) -> str:
    """The layer of ``autoglm_desktop.<layer>…``; cli_check, cli_serve … belong to cli."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    return "cli" if name.startswith("cli") else name


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path):
    """(module imported, line) of one file, relative ones resolved; names of ``from package import name`` too."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base]) if base else ".".join(parts)
            if base == "autoglm_desktop" or base.startswith("autoglm_desktop."):
                for alias in node.names:
                    yield f"{base}.{alias.name}", node.lineno
            else:
                yield base, node.lineno


def edges():
    for path in sorted(ROOT.rglob("*.py")):
        for target, line in imports(path):
            yield path, module_name(path), target, line


def test_layers_import_only_what_lies_below():
    seen, broken = 0, []
    for path, source, target, line in edges():
        if not target.startswith("autoglm_desktop."):
            continue
        here, there = layer_of(source), layer_of(target)
        if here in ("__init__",) or there in ("__version__", here):
            continue
        seen += 1
        if there not in ALLOWED.get(here, set()):
            broken.append(
                f"{path.name}:{line}: {here} imports {target}. Move the code down, or pass the value in as an argument."
            )
        if here == "engine" and there == "store" and not target.split(".")[2].startswith(ENGINE_STORE):
            broken.append(
                f"{path.name}:{line}: engine imports {target}. Engines may use store.gguf* and safetensors only."
            )
    assert seen > 60, "the test saw too few imports to mean anything"
    assert not broken, "\n".join(broken)


def test_heavy_packages_stay_in_their_layer():
    broken = []
    for path, source, target, line in edges():
        top = target.split(".")[0]
        if top in FENCED and layer_of(source) not in FENCED[top]:
            broken.append(f"{path.name}:{line}: {top} belongs to {FENCED[top]}")
    assert not broken, "\n".join(broken)


def test_what_engines_import_needs_only_numpy():
    """core, engine and the store modules engines use: standard library and numpy (backends' packages lazily)."""
    broken = []
    for path, source, target, line in edges():
        layer, parts = layer_of(source), source.split(".")
        light = layer in ("core", "engine") or (
            layer == "store" and len(parts) > 2 and parts[2].startswith(ENGINE_STORE)
        )
        top = target.split(".")[0]
        if not light or top in sys.stdlib_module_names or top == "autoglm_desktop":
            continue
        backend = layer == "engine" and top in ("llama_cpp", "jinja2", "torch", "transformers", "safetensors")
        if top not in LIGHT_THIRD_PARTY and not backend:
            broken.append(
                f"{path.name}:{line}: {source} imports {top}; an engine's environment may not have it"
            )
    assert not broken, "\n".join(broken)


def test_nobody_imports_the_engine():
    users = [
        f"{path.name}:{line}"
        for path, source, target, line in edges()
        if target.startswith("autoglm_desktop.engine") and layer_of(source) not in ("engine", "__main__")
    ]
    assert users == []


@pytest.mark.skipif(sys.platform == "win32", reason="the bare interpreter is made with a POSIX venv")
@pytest.mark.parametrize("backend", ["llama.cpp", "transformers"])
def test_the_child_starts_with_nothing_else_installed(tmp_path, backend):
    """A venv without any package: the engine answers in its protocol what is missing, and ends at end-of-file."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    command = [tmp_path / "bare/bin/python", "-I", "-u", str(ROOT / "engine/__main__.py")]
    job = f'{{"command": "load", "backend": "{backend}", "model": "/nowhere", "context": 128}}\n'
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as child:
        child.stdin.write(job)
        child.stdin.flush()
        answers = [child.stdout.readline(), child.stdout.readline()]
        child.stdin.close()
        assert child.wait(timeout=30) == 0
        assert "Traceback" not in child.stderr.read()
    assert '"missing_dependency"' in answers[1]
