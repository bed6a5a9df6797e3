"""The .po reader, and that every text has its translation with the same placeholders."""

import ast
import importlib.util
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from autoglm_desktop import i18n, po
from autoglm_desktop.texts.rungs import RUNGS

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "resources" / "i18n" / "zh_CN.po"


def test_reads_what_babel_reads():
    with CATALOGUE.open("rb") as file:
        expected = read_po(file)
    found = po.parse(CATALOGUE.read_text(encoding="utf-8"))
    singles = 0
    for message in expected:
        if not message.id:
            continue
        if isinstance(message.id, tuple):
            assert found.get((message.id[0], 0), "") == message.string[0]
        else:
            assert found.get(message.id, "") == message.string
            singles += 1
    assert singles > 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('msgid "a"\nmsgstr "b"\n', {"a": "b"}),
        ('msgid ""\n"long "\n"one"\nmsgstr ""\n"x\\n"\n"y"\n', {"long one": "x\ny"}),
        ('#, fuzzy\nmsgid "a"\nmsgstr "b"\n', {}),
        ('msgid "a"\nmsgstr ""\n', {}),
        ('msgctxt "c"\nmsgid "a"\nmsgstr "b"\n', {"c\x04a": "b"}),
        (
            'msgid "one"\nmsgid_plural "more"\nmsgstr[0] "x"\nmsgstr[1] "y"\n',
            {("one", 0): "x", ("one", 1): "y"},
        ),
        ('msgid "a"\nmsgstr "b"\nmsgid "c"\nmsgstr "d"\n', {"a": "b", "c": "d"}),
        ('msgid "a"\nmsgstr "b"\n# note\nmsgid "c"\nmsgstr "\\"q\\""\n', {"a": "b", "c": '"q"'}),
        ('#~ msgid "old"\n#~ msgstr "alt"\nmsgid "a"\nmsgstr "b"\n', {"a": "b"}),
    ],
)
def test_parses(text, expected):
    assert po.parse(text) == expected


@pytest.mark.parametrize("text", ['"no keyword"\n', "msgid no quotes\n", 'msgid "open\n'])
def test_malformed_files_say_so(text):
    with pytest.raises(ValueError, match="string"):
        po.parse(text)


def test_plural_forms():
    english = po.Translations({("one", 0): "ein", ("one", 1): "mehrere"})
    assert (english.ngettext("one", "more", 1), english.ngettext("one", "more", 2)) == ("ein", "mehrere")
    chinese = po.Translations({"": "Plural-Forms: nplurals=1; plural=0;\n", ("one", 0): "都"})
    assert (chinese.ngettext("one", "more", 1), chinese.ngettext("one", "more", 5)) == ("都", "都")
    assert po.Translations({}).ngettext("one", "more", 2) == "more"


@pytest.mark.parametrize(
    ("wanted", "environment", "expected"),
    [
        ("zh", {}, "zh_CN"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"AUTOGLM_LANG": "zh_CN"}, "zh_CN"),
        (None, {"LANG": "zh_TW.UTF-8"}, "zh_CN"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {"AUTOGLM_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_language_choice(monkeypatch, wanted, environment, expected):
    for name in ("AUTOGLM_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert i18n.choose(wanted) == expected


def extracted():
    spec = importlib.util.spec_from_file_location("translations", ROOT / "packaging" / "translations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.extracted()


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_text_is_translated_with_its_placeholders():
    found = po.parse(CATALOGUE.read_text(encoding="utf-8"))
    missing, differing = [], []
    messages = [message for message in extracted() if message.id]
    for message in messages:
        plural = isinstance(message.id, tuple)
        source = message.id[1] if plural else message.id
        translated = found.get((message.id[0], 0)) if plural else found.get(message.id)
        if not translated:
            missing.append(source)
        elif message.python_brace_format and fields(source) != fields(translated):
            differing.append((source, translated))
    assert len(messages) > 200
    assert not missing, f"{len(missing)} without translation, first: {missing[:5]}"
    assert not differing


def test_commands_are_named_as_the_program_was_started(monkeypatch):
    monkeypatch.delenv("AUTOGLM_COMMAND", raising=False)
    i18n.set_language("en")
    assert i18n._("autoglm-desktop engines install {name}") == "autoglm-desktop engines install {name}"
    monkeypatch.setenv("AUTOGLM_COMMAND", "python3 launch.py")
    assert i18n._("autoglm-desktop engines install {name}") == "python3 launch.py engines install {name}"
    assert i18n._("AutoGLM Desktop") == "AutoGLM Desktop"


def marked_texts():
    """(file, text) of every ``_("…")`` and ``N_("…")``, within f-strings too, which the extraction passes over."""
    for path in sorted((ROOT / "autoglm_desktop").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            first = node.args[0]
            if (
                node.func.id in ("_", "N_")
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                yield path.name, first.value


def test_every_marked_text_was_extracted():
    known = po.parse(CATALOGUE.read_text(encoding="utf-8"))
    marked = list(marked_texts())
    assert len(marked) > 1000
    assert [(file, text) for file, text in marked if text not in known] == []


def test_names_of_rungs_end_in_no_full_width_bracket():
    """A sentence goes on after them with a space, which such a bracket brings already."""
    known = po.parse(CATALOGUE.read_text(encoding="utf-8"))
    assert [name for name in RUNGS.values() if known[name].endswith("）")] == []
