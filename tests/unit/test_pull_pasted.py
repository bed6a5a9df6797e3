"""Addresses that people copy from their browser."""

import pytest

from autoglm_desktop.core.pasted import Pasted, read


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://huggingface.co/made/Model-GGUF", "made/Model-GGUF"),
        ("HTTPS://HuggingFace.co/made/Model-GGUF/", "made/Model-GGUF"),
        ("huggingface.co/made/Model-GGUF", "made/Model-GGUF"),
        ("hf.co/made/Model-GGUF:Q4_K_M", "made/Model-GGUF:Q4_K_M"),
        ("https://hf-mirror.com/made/Model/tree/main?x=1#files", "made/Model"),
        ("https://modelscope.cn/models/made/Model/files", "made/Model"),
        ("https://huggingface.co/made/M-GGUF/blob/main/M%20a-Q4_K_M.gguf", "made/M-GGUF:M a-Q4_K_M"),
        ("https://huggingface.co/made/M/resolve/main/Q4/M-Q4_K_M.gguf?download=true", "made/M:Q4/M-Q4_K_M"),
        ("https://modelscope.cn/models/made/M/file/view/master/M-Q8_0.gguf?status=2", "made/M:M-Q8_0"),
        ("https://huggingface.co/made/M/blob/main/config.json", "made/M"),
        ("https://modelscope.cn/models/made/Model/summary", "made/Model"),
        ("https://huggingface.co/made", "made"),
        (" made/Model \n", "made/Model"),
        ("made/Model/", "made/Model"),
        ("made/", "made/"),
        ("/made/Model", "/made/Model"),
        ("../made/Model", "../made/Model"),
        ("autoglm-phone-9b:Q4_K_M", "autoglm-phone-9b:Q4_K_M"),
        ("", ""),
    ],
)
def test_what_is_meant(text, target):
    assert read(text) == Pasted(target)


def test_a_page_of_another_hub_names_its_source():
    found = read("http://hub.lan:8080/made/M/resolve/main/M-Q8_0.gguf")
    assert found == Pasted("made/M:M-Q8_0", "http://hub.lan:8080")
