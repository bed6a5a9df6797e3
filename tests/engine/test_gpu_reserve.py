"""A small card is simulated by holding the rest of a large one (``benchmarks gpu``)."""

import pytest

from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.probe.nvidia import probe_nvml
from autoglm_desktop.usecases.card_watch import free_of_cards
from tests.benchmarks import gpu, gpu_reserve


@pytest.mark.gpu
def test_the_rest_of_a_card_is_held_and_given_back():
    if not probe_nvml().gpus:
        pytest.skip("no NVIDIA card is here that its driver tells of")
    before = free_of_cards()[gpu.CARD]
    keep = min(8 * GIB, before // 2)
    with gpu.reserved(keep) as left:
        assert keep - gpu_reserve.PIECE <= left <= keep + gpu_reserve.PIECE
        assert free_of_cards()[gpu.CARD] <= keep + 256 * MIB
    assert free_of_cards()[gpu.CARD] >= before - 256 * MIB


def test_without_a_card_it_is_one_sentence(monkeypatch):
    monkeypatch.setattr(gpu, "probe_nvml", lambda: type("Finding", (), {"gpus": ()})())
    (line,) = gpu.measure()
    assert line.endswith(".") and "No NVIDIA card" in line
