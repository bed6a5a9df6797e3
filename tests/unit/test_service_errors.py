"""What clients are told of failures: nothing of this machine, whatever an error holds."""

import json
import re
from string import Formatter

import pytest

from autoglm_desktop.core.errors import AppError, EngineError, Reason, ServiceError, TargetError
from autoglm_desktop.service.errors import from_app_error, unexpected
from autoglm_desktop.service.public_errors import TABLE, public
from autoglm_desktop.texts import errors, reasons
from autoglm_desktop.usecases.serve_gate import Busy

SECRETS = [
    "/home/somebody/模型/s3cret.gguf", "C:\\Users\\somebody\\s3cret.gguf", "\\\\server\\share\\s3cret.gguf",
    "read /home/somebody/s3cret.gguf: damaged", 'File "/usr/lib/s3cret.py", line 3, in s3cret',
]  # fmt: skip
SENTENCES = (*errors.TABLE.values(), *reasons.TABLE.values())
NAMED = {name for text in SENTENCES for _, name, _, _ in Formatter().parse(text) if name}
KEYS = sorted(NAMED | {"path", "detail", "where", "file", "name", "why"})


@pytest.mark.parametrize("code", sorted({*errors.TABLE, *reasons.TABLE, *TABLE, "never_heard_of"}))
def test_no_path_comes_out_of_any_error(code):
    for s3cret in SECRETS:
        for value in (
            s3cret,
            Reason.of("engine_output", detail=s3cret),
            Reason.of("context_tokens", tokens=s3cret),
        ):
            told = from_app_error(AppError(code, **dict.fromkeys(KEYS, value))).response()
            text = told.body.decode()
            assert "s3cret" not in text and "somebody" not in text
            error = json.loads(text)["error"]
            assert error["code"] and error["message"] and "{" not in error["message"]
            assert told.status_code in (400, 429, 503)
            assert ("retry-after" in told.headers) == (told.status_code != 400)


@pytest.mark.parametrize("code", sorted(TABLE))
def test_the_table_names_real_codes_and_only_values_that_are_told(code):
    assert code in errors.TABLE
    for text in (TABLE[code].sentence, TABLE[code].less or ""):
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        assert names <= {"tokens", "room_tokens", "megapixels", "most", "width", "height", "ratio", "count", "rung",
                         "model", "wait", "why"}  # fmt: skip
        assert not names or TABLE[code].less, "a sentence with values needs one without"


TOLD = [
    (EngineError("context_full", detail=Reason.of("context_tokens", tokens=9000, room_tokens=4096)), 400,
     "context_length_exceeded", "9000.*4096"),
    (EngineError("context_full", detail="9000 prompt tokens, 4096 in the context"), 400,
     "context_length_exceeded", "9000.*4096"),
    (EngineError("no_vision_loaded", rung="gguf-cpu"), 400, "no_vision", "mmproj"),
    (TargetError("vision_part_to_pull", name="x", model="autoglm-phone-9b:Q4_K_M"), 400, "no_vision",
     "pull autoglm-phone-9b:Q4_K_M"),
    (TargetError("vision_no_sections", path="/x"), 400, "no_vision", "vision"),
    (TargetError("projector_kind", path="/x", type="clip"), 400, "no_vision", "vision"),
    (ServiceError("image_needs_projector"), 400, "no_vision", "mmproj"),
    (TargetError("picture_too_large", path="", megapixels=144, most=100), 400, "image_too_large", "144.*100"),
    (EngineError("no_grammar", rung="gguf-cpu"), 400, "no_grammar", "llama.cpp"),
    (EngineError("bad_schema", detail="$ref '#/a' leads nowhere"), 400, "bad_schema", "#/a"),
    (Busy("service_busy", 12), 429, "service_busy", "12 s"),
    (Busy("queue_timeout", 12), 503, "queue_timeout", "too long"),
    (EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu"), 503, "engine_died", "again"),
    (AppError("disk_full", path="/x"), 503, "disk_full", "the code says why"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status", "code", "part"), TOLD)
def test_what_helps_is_told(error, status, code, part):
    told = from_app_error(error)
    assert (told.status, told.code) == (status, code)
    assert re.search(part, told.message)
    assert told.retry_s == (None if status == 400 else getattr(error, "retry_s", 5))


def test_an_image_that_is_at_fault_is_named():
    where = "messages.3.content.0"
    assert public(TargetError("picture_damaged", path="", detail="x", where=where)).param == where
    assert public(TargetError("picture_damaged", path="", detail="x")).param == "messages"


def test_a_bug_tells_nothing():
    assert unexpected().response().status_code == 500
