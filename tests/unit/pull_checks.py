"""What the tests of downloads share: services against fake hubs, made repositories, short ways to plan and to pull."""

import asyncio
import random
from dataclasses import replace

from autoglm_desktop.core.downloads import PullRequest
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.library import Library
from autoglm_desktop.store.web import Web
from autoglm_desktop.usecases import pull
from tests.fakes.fake_hub_pull import LIMITS
from tests.fakes.fake_services import made_services
from tests.unit.test_library import made_phone_model, made_projector

REPO = "made/Some-Model-9B-GGUF"
GGML_ORG = "ggml-org/AutoGLM-Phone-9B-GGUF"
LUCKY = "Luckybala/AutoGLM-Phone-9B-Q4_K_M.gguf"
PHONE = "autoglm-phone-9b:Q4_K_M"
PHONE_FILE = "AutoGLM-Phone-9B-Q4_K_M.gguf"
PHONE_PROJECTOR = "AutoGLM-Phone-9B-mmproj.gguf"
Q4, Q2, README = "Some-Model-9B.Q4_K_M.gguf", "Some-Model-9B.Q2_K.gguf", "README.md"
NOWHERE = "http://127.0.0.1:9"


def made_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


BIG, OTHER = made_bytes(400_000), made_bytes(200_000, 2)
FILES = {Q4: BIG, README: b"# made\n"}
TWO = {Q4: BIG, Q2: OTHER, README: b"# made\n"}


class NoKeyring:
    priority = 0


def services(tmp_path, hub=None, modelscope=None, elsewhere=None, limits=LIMITS, **more):
    """Services whose Hugging Face is ``hub`` and whose ModelScope is ``modelscope`` (None: is not there)."""
    environment = {"HF_ENDPOINT": hub.url if hub is not None else NOWHERE}
    if modelscope is not None:
        environment["MODELSCOPE_ENDPOINT"] = modelscope.url
    environment |= {"HF_HOME": str(tmp_path / "no login")} | more
    made = made_services(tmp_path / "数据 home")
    library = Library(made.models, made.home / "state", made.library.catalog, elsewhere)
    keys = Keys(environment, NoKeyring)
    return replace(made, library=library, web=Web(keys, limits, environment))


def in_loop(made, work):
    """Run a coroutine that uses ``made``; its client is closed in the same loop."""

    async def body():
        try:
            return await work
        finally:
            await made.web.close()

    return asyncio.run(body())


def request_of(target, source="auto", folder=None):
    return PullRequest(target, str(source), folder)


def planned(made, target=REPO, source="auto", folder=None, **more):
    return in_loop(made, pull.plan_pull(made, request_of(target, source, folder), **more))


def pulled(made, target=REPO, source="auto", folder=None, seen=None):
    async def both():
        plan = await pull.plan_pull(made, request_of(target, source, folder))
        return await pull.run_pull(made, plan, (seen if seen is not None else []).append)

    return in_loop(made, both())


def codes(notes):
    return [note.code for note in notes]


def phone_files(tmp_path, *, mrope=True, kind="glm4v"):
    """The bytes of a tiny AutoGLM and of its vision part."""
    model = made_phone_model(tmp_path / "made" / "m.gguf", mrope=mrope)
    return model.read_bytes(), made_projector(tmp_path / "made" / "p.gguf", kind).read_bytes()
