"""Headers kept by commit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from autoglm_desktop.core.subject import weights_of_header
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.headers import MOST_ENTRIES, Cached, HeaderCache


def made_entry(path: Path, **more: object) -> tuple[Cached, bytes]:
    """A tiny file's head: what stands before its weights."""
    if not path.exists():
        write_tiny_glm4(path, weight_type="Q4_K_M")
    header = gguf.read_header(path)
    entry = Cached("Made/模型-GGUF", path.name, "a" * 40, "Q4_K_M", header.file_size, header.data_offset, 1.0)
    return replace(entry, **more), path.read_bytes()[: header.data_offset]  # type: ignore[arg-type]


def test_a_header_comes_back(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "缓存")
    assert cache.all() == () and cache.find("made/模型-gguf", "q4_k_m") is None
    entry, head = made_entry(tmp_path / "made 1.gguf")
    cache.add(entry, head)
    found = cache.find("made/模型-gguf", "q4_k_m")
    assert found == entry
    header = cache.gguf(found)
    whole = gguf.read_header(tmp_path / "made 1.gguf")
    assert header is not None and weights_of_header(header) == weights_of_header(whole)
    assert header.file_size == (tmp_path / "made 1.gguf").stat().st_size


def test_a_new_commit_takes_the_place_of_the_old(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "cache")
    entry, head = made_entry(tmp_path / "made.gguf")
    cache.add(entry, head)
    cache.add(replace(entry, commit="b" * 40, fetched=2.0), head)
    assert [one.commit for one in cache.all()] == ["b" * 40]
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_damage_counts_as_not_there(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "cache")
    entry, head = made_entry(tmp_path / "made.gguf")
    cache.add(entry, head)
    file = tmp_path / "cache" / f"{entry.key}.head"
    file.write_bytes(head[:-1])
    assert cache.gguf(entry) is None
    file.write_bytes(b"x" * len(head))
    assert cache.gguf(entry) is None
    file.unlink()
    assert cache.gguf(entry) is None
    for text in (
        "",
        "[]",
        '{"repo": 1}',
        "[" * 100_000 + "]" * 100_000,
        json.dumps({"repo": "a/b", "path": "c", "commit": None, "variant": "x"}),
    ):
        (tmp_path / "cache" / f"{entry.key}.json").write_text(text, encoding="utf-8")
        assert cache.all() == ()


def test_another_entry_s_name_is_not_believed(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "cache")
    entry, head = made_entry(tmp_path / "made.gguf")
    cache.add(entry, head)
    json_file = tmp_path / "cache" / f"{entry.key}.json"
    json_file.rename(json_file.with_name("0" * 32 + ".json"))
    assert cache.all() == ()


def test_the_oldest_go(tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "cache")
    entry, head = made_entry(tmp_path / "made.gguf")
    for number in range(MOST_ENTRIES + 2):
        cache.add(replace(entry, repo=f"made/{number}", fetched=float(number)), head)
    assert len(cache.all()) == MOST_ENTRIES and cache.find("made/0", "Q4_K_M") is None
    assert len(list((tmp_path / "cache").iterdir())) == 2 * MOST_ENTRIES
