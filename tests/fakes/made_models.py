"""made_: model folders on disk, small and valid."""

import hashlib
import json
import struct
from pathlib import Path

from autoglm_desktop.store import manifest
from autoglm_desktop.store.manifest import Manifest, ManifestFile

PHONE_REPO = "made/AutoGLM-Phone-9B"


def write_safetensors(path: Path, size: int = 64) -> Path:
    """A safetensors file with one tensor of ``size`` bytes."""
    header = json.dumps({"made.weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    return path


def write_folder(folder: Path, *, layers: int = 40, parts: int = 2, **config) -> Path:
    """A safetensors folder as GLM-4.1V's: ``config.json`` with ``text_config``, an index, ``parts`` shards."""
    names = [f"model-{part:05d}-of-{parts:05d}.safetensors" for part in range(1, parts + 1)]
    for name in names:
        write_safetensors(folder / name)
    index = {"weight_map": {f"made.{number}": name for number, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    told = {"model_type": "glm4v", "architectures": ["Glm4vForConditionalGeneration"]}
    text = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 2, "vocab_size": 151_552}
    told["text_config"] = {"num_hidden_layers": layers, "intermediate_size": 13_696, **text}
    (folder / "config.json").write_text(json.dumps({**told, **config}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def entry(folder: Path, path: Path) -> ManifestFile:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return ManifestFile(path.relative_to(folder).as_posix(), len(data), digest, None, "sha256")


def remember(folder: Path, *paths: Path, repo: str = PHONE_REPO) -> Manifest:
    """The manifest that a download of these files would leave."""
    files = tuple(entry(folder, path) for path in paths)
    return manifest.merge(folder, Manifest(repo, "huggingface", "c" * 40, files))


def write_unfinished(target: Path, size: int = 1000) -> Path:
    """``NAME.part`` with a journal that says: one of ten blocks is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        file.write(b"made bytes")
        file.truncate(size)
    journal = {"schema": 1, "size": size, "sha256": None, "git_sha1": None, "commit": "c" * 40}
    told = {**journal, "block_bytes": size // 10, "done": [[0, 1]], "kept": {}}
    target.with_name(target.name + ".part.json").write_text(json.dumps(told))
    return part
