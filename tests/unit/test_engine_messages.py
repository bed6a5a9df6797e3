"""Messages that begin with the engine's own codes are shown as words."""

import ast
import re
from pathlib import Path

from autoglm_desktop import engine
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.host.supervisor import Try
from autoglm_desktop.texts import errors, session, walk
from autoglm_desktop.texts.engine_messages import TABLE, said
from autoglm_desktop.usecases.deaths import REQUEST_CODES

TOLD = "missing_file: tokenizer.json"
WORDS = "a file is missing (tokenizer.json); get the model again"
LIBRARIES = {"llama_cpp"}  # a name, then what importing it said


def test_a_code_is_never_shown():
    one = Try("transformers-16bit", "bad_file", TOLD, 1.0)
    error = EngineError("file_refused", path="/m", detail=TOLD)
    assert errors.text(error) == f"/m cannot be used: {WORDS}."
    assert WORDS in session.try_text(one) and WORDS in walk.failure_text(one)
    assert said("SIGSEGV: made") == "SIGSEGV: made" and said("missing_file") == "missing_file"


def test_every_code_of_the_engine_has_words():
    found = set()
    for path in Path(engine.__file__).parent.glob("transformers*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"^([a-z]+_[a-z_]+): ", node.value))
    assert "missing_file" in found and found - {*TABLE, *REQUEST_CODES} - LIBRARIES == set()
