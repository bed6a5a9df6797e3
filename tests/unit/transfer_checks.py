"""Shared by the tests of transfers: a made hub, a run that is watched, and what an end has to look like."""

import asyncio
import random
import re
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.texts.errors import text
from tests.fakes.fake_hub import FakeHub
from tests.fakes.fake_hub_pull import LIMITS, Watch, pull

REPO, PATH = "made/模型-one", "子 folder/模型 Q4_K_M.gguf"
DATA = random.Random(1).randbytes(1_500_001)
OTHER = random.Random(2).randbytes(1_400_000)
BLOCK = LIMITS.block_bytes
PROJECT = Path(__file__).resolve().parents[2]
ONE = {"connections": 1}


def limits(**more):
    return LIMITS.__class__(**{**vars(LIMITS), **more})


def made_hub(*faults, data=DATA, **more):
    return FakeHub({REPO: {PATH: data, "config.json": b"{}"}}, faults=faults, **more)


def target_in(tmp_path):
    return tmp_path / "下载 folder" / "模型 Q4_K_M.gguf"


def run(job, watch=None, within=20.0):
    """Fetch; checks on the way that progress never went back."""
    watch = watch or Watch()
    try:
        return asyncio.run(asyncio.wait_for(pull(job, watch), within))
    finally:
        assert watch.seen
        assert watch.never_backwards()


def sentence(error):
    """The text that a user reads, checked for gaps and secrets."""
    said = text(error)
    assert said.endswith((".", "?", "!", ")")) and len(said) > 20
    assert not re.search(r"[{}]|(?<!\w)\?|Signature|Expires|secret", said)
    assert error.code not in said
    return said


def exact(job, data=DATA):
    assert job.target.read_bytes() == data
    left = sorted(path.name for path in job.target.parent.iterdir())
    assert left == [job.target.name]


def fails(job, *codes):
    with pytest.raises(AppError) as caught:
        run(job)
    assert sentence(caught.value)
    assert caught.value.code in codes, text(caught.value)
    assert not job.target.exists()
    return caught.value
