"""The same weights say the same through transformers (bf16 stored, float32 computed) and llama.cpp (F16)."""

import dataclasses

import numpy as np
import pytest

from tests.engine import agreement


@pytest.fixture
def both(needs_llama):
    pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")


@pytest.mark.parametrize("kind", ["glm4", "glm4v"])
def test_logits_and_greedy_text_agree(both, tmp_path, kind):
    from tests.fakes.made_pair import make_pair

    found = agreement.compare(make_pair(tmp_path, kind))
    assert found.prompts == 50 and found.steps == 50 * agreement.TOKENS
    assert 0 < found.worst < found.bound, found
    assert found.same >= agreement.LEAST_SAME and found.ties <= found.prompts // 4, found


def test_rows_in_another_order_are_noticed(both, tmp_path, monkeypatch):
    """What the bound is worth: M-RoPE without llama.cpp's order of rows goes far beyond it."""
    from tests.fakes import made_pair

    monkeypatch.setattr(made_pair, "split_halves", lambda values, _dim, _rotated: values)
    found = agreement.compare(made_pair.make_pair(tmp_path, "glm4v", layers=2), prompts=3)
    assert found.worst > 10 * found.bound and found.same < agreement.LEAST_SAME


def test_the_weights_are_the_same_in_both_forms(both, tmp_path):
    from autoglm_desktop.store import gguf
    from tests.fakes import made_pair

    pair = made_pair.make_pair(tmp_path, layers=1)
    header = gguf.read_header(pair.gguf)
    sizes = {tensor.name: int(np.prod(tensor.shape)) for tensor in header.tensors}
    assert sum(sizes.values()) == pair.parameters and pair.set_to_zero < pair.parameters / 1000


def test_a_tie_is_not_counted_and_a_real_difference_is():
    made = agreement.Agreement(50, 47, (), 0.01, 0.001, 1.0, 1600, 1600)
    close, far = agreement.Difference(0, 3, 0.02), agreement.Difference(1, 3, 0.03)
    three = dataclasses.replace(made, differences=(close, close, far))
    assert (three.ties, round(three.same, 4)) == (2, round(47 / 48, 4))
