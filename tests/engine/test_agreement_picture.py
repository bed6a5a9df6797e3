"""The same Glm4v weights and the same picture through both backends, and a picture file through the processor itself.

Transformers stores bf16 and computes in float32; llama.cpp has text and vision part in F16, exact in both. Measured
2026-11-21, llama-cpp-python 0.3.36 and transformers 5.23.0 on a CPU, six sizes from 3 to 144 tokens: embeddings (of
standard deviation 0.7) differ by 0.0040 at most, the cosine of two rows is 0.999999 or better; logits (of 0.6) behind
picture and question by 0.0084 at most. With the Q8_0 projector against the F16 one: 0.10, 0.9990 and 0.106.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.core.gguf_vision import vision_refusal
from autoglm_desktop.core.pictures import shown_size
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_projector import write_q8_0
from autoglm_desktop.store.picture_file import read_picture
from tests.engine.transformers_support import InProcess, Remembering, picture

pytest.importorskip("transformers", reason="transformers is not installed here (extra: torch)")
pytest.importorskip(
    "llama_cpp", reason="llama-cpp-python is not installed in this environment (extra: llama)"
)

SIZES = [(84, 84), (280, 140), (140, 280), (336, 336), (28, 84), (84, 560)]
EMBEDDING_BOUND, LOGIT_BOUND = 0.01, 0.025
"""About three times what was measured; another picture moves logits by more than ten times that."""
Q8_COSINE, Q8_LOGIT_BOUND = 0.997, 0.25


@dataclass
class Seen:
    """What a backend makes of a picture: its rows, and the logits behind the prompt."""

    rows: Any
    logits: Any


def request(part):
    content = [part, {"type": "text", "text": "what is this?"}]
    return protocol.Generate("r", (protocol.Message("user", content),), protocol.Sampling(temperature=0.0))


class Transformers:
    def __init__(self, folder):
        self.inside = InProcess(folder, context=1024, threads=2)

    def see(self, part):
        import torch

        from autoglm_desktop.engine import transformers_pictures

        backend = self.inside.backend
        model, reader = backend._loaded.model, backend._maker._pictures
        made = backend._maker.fit(request(part), 1024)
        ids = torch.tensor([list(made.tokens)])
        with torch.inference_mode():
            rows = transformers_pictures.encode(model, torch.device("cpu"), reader, reader.read(part))
            answer = model(
                input_ids=ids,
                pixel_values=torch.cat([reader.patches(one) for one in made.pictures]),
                image_grid_thw=torch.tensor([reader.grid(one) for one in made.pictures]),
                mm_token_type_ids=(ids == reader.token).int(),
                use_cache=False,
            )
        return Seen(rows.float().numpy(), answer.logits[0, -1].float().numpy())


class Llama:
    def __init__(self, model, projector):
        from autoglm_desktop.engine.llama_backend import LlamaBackend

        self.backend = LlamaBackend(Remembering())
        safe = protocol.EngineOptions(use_extra_bufts=False)
        vision = protocol.Projector(str(projector), image_tokens=200)
        job = protocol.Load("llama.cpp", str(model), 1024, threads=2, options=safe, projector=vision)
        self.proof = self.backend.load(job)

    def see(self, part):
        import llama_cpp.llama_cpp as native

        from autoglm_desktop.engine.llama_pictures import read_part

        model = self.backend._model
        rows = model.loaded.vision.embed(read_part(part), lambda: False)
        fitted = model.prompts.fit(request(part), model.cells.shared)
        model.cells.keep_prefix([-1])
        model.cells.prefill(list(fitted.items), lambda: False)
        row = native.llama_get_logits_ith(model.loaded.context, -1)
        size = native.llama_vocab_n_tokens(model.loaded.vocab)
        return Seen(np.array(rows), np.ctypeslib.as_array(row, (size,)).copy())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(folder, GGUF, F16 projector, Q8_0 projector) of the same weights."""
    from tests.fakes import made_pair, made_projector

    place = tmp_path_factory.mktemp("两种 forms")
    pair = made_pair.make_pair(place, "glm4v")
    projector = made_projector.write_projector_of(pair.folder, place / "mmproj-same-F16.gguf")
    write_q8_0(projector, place / "mmproj-same-Q8_0.gguf")
    return pair.folder, pair.gguf, projector, place / "mmproj-same-Q8_0.gguf"


@pytest.fixture(scope="module")
def transformers(files):
    backend = Transformers(files[0])
    yield backend
    backend.inside.backend.unload()


@pytest.fixture(scope="module")
def llama(files):
    backend = Llama(files[1], files[2])
    yield backend
    backend.backend.unload()


@pytest.fixture(scope="module")
def llama_q8(files):
    backend = Llama(files[1], files[3])
    yield backend
    backend.backend.unload()


def cosines(one, other):
    return (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))


def apart(one, other):
    return float(np.abs(one - other).max())


def test_the_projector_has_all_that_llama_wants(files):
    assert vision_refusal(gguf.read_header(files[1]), gguf.read_header(files[2])) is None


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_both_backends_see_the_same(transformers, llama, tmp_path, width, height):
    part = picture(tmp_path, width, height)
    one, other = transformers.see(part), llama.see(part)
    assert one.rows.shape == other.rows.shape == (width * height // 784, 256)
    assert apart(one.rows, other.rows) < EMBEDDING_BOUND
    assert cosines(one.rows, other.rows).min() > 0.99999
    assert apart(one.logits, other.logits) < LOGIT_BOUND


def test_another_picture_is_far_beyond_the_bound(transformers, llama, tmp_path):
    """Also the same pixels in another order: places count."""
    part = picture(tmp_path, 280, 140)
    turned = picture(tmp_path, 280, 140, name="turned.rgb")
    pixels = np.frombuffer((tmp_path / "picture.rgb").read_bytes(), np.uint8).reshape(140, 280, 3)
    (tmp_path / "turned.rgb").write_bytes(pixels[:, ::-1].tobytes())
    for backend in (transformers, llama):
        assert apart(backend.see(part).logits, backend.see(turned).logits) > 10 * LOGIT_BOUND


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_smaller_projector_sees_nearly_the_same(llama, llama_q8, tmp_path, width, height):
    part = picture(tmp_path, width, height)
    one, other = llama.see(part), llama_q8.see(part)
    assert llama_q8.proof.projector == "cpu glm4v Q8_0"
    assert 0 < 1 - cosines(one.rows, other.rows).min() < 1 - Q8_COSINE
    assert apart(one.logits, other.logits) < Q8_LOGIT_BOUND


@pytest.mark.parametrize(("width", "height"), [(108, 240), (300, 120), (56, 84), (500, 333), (30, 20)])
def test_a_picture_file_is_what_the_processor_makes_of_it(transformers, tmp_path, width, height):
    """Decoded, scaled and normalised by us, and by transformers' own image processor: the same numbers."""
    from PIL import Image
    from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

    noise = np.random.default_rng(0).integers(0, 256, (height // 10 + 1, width // 10 + 1, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    image.save(tmp_path / "shot.png")
    bitmap = read_picture(tmp_path / "shot.png")
    size = shown_size(bitmap.width, bitmap.height)
    (tmp_path / "shot.rgb").write_bytes(bitmap.pixels(size.width, size.height))
    part = {"type": "image", "file": str(tmp_path / "shot.rgb"), "width": size.width, "height": size.height}
    reader = transformers.inside.backend._maker._pictures
    ours = reader.patches(reader.read(part)).numpy()
    theirs = Glm4vImageProcessorPil()(images=[image], return_tensors="np")
    assert theirs["image_grid_thw"].tolist() == [[1, size.height // 14, size.width // 14]]
    assert apart(ours, theirs["pixel_values"]) < 1e-5
