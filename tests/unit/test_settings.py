"""Settings survive everything: no file, a broken one, values of another version, a folder that can't be written."""

import pytest

from autoglm_desktop.store import settings


def test_what_is_saved_is_loaded(tmp_path):
    assert settings.load(tmp_path) == settings.Settings()
    wanted = settings.Settings("dark", "AAEC")
    assert settings.save(tmp_path / "数据", wanted)
    assert settings.load(tmp_path / "数据") == wanted
    left = {path.name for path in (tmp_path / "数据" / "state").iterdir()}
    assert left - {"settings.json.lock"} == {"settings.json"}


def test_a_change_keeps_what_another_instance_changed(tmp_path):
    settings.save(tmp_path, settings.Settings("dark"))
    assert settings.update(tmp_path, models_folder="/disk/模型")
    assert settings.update(tmp_path, source="modelscope")
    assert settings.load(tmp_path) == settings.Settings("dark", None, "/disk/模型", "modelscope")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"scheme": 7}', b"\xff\xfe"])
def test_a_broken_file_means_the_defaults(tmp_path, content, caplog):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "settings.json").write_bytes(content)
    assert settings.load(tmp_path) == settings.Settings()
    assert "settings unreadable" in caplog.text


def test_an_unknown_scheme_and_unknown_keys_do_no_harm(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "settings.json").write_text('{"scheme": "sepia", "geometry": "AA==", "later": 1}')
    assert settings.load(tmp_path) == settings.Settings("system", "AA==")


def test_a_folder_that_cannot_be_made_is_no_crash(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert settings.load(tmp_path / "file") == settings.Settings()
    assert not settings.save(tmp_path / "file", settings.Settings())
