"""What the Models page says of a variant. Values are made up."""

from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.models import texts
from autoglm_desktop.usecases.model_list import VariantEntry


def test_a_folder_that_fits_says_how_fast_it_runs_like_any_other():
    plan = RungPlan("transformers-nf4", "safetensors", status="fits")
    entry = VariantEntry("safetensors", 1, False, None, plan, None, gguf=False)
    assert texts.variant_verdict(entry) == "GPU, 4 bit (nf4) · speed not measured yet"
