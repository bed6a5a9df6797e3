"""One window per data folder."""

from autoglm_desktop.gui.single_instance import InstanceServer, raise_other


def test_a_second_start_raises_the_first(qtbot, tmp_path):
    assert not raise_other(tmp_path)
    server = InstanceServer(tmp_path)
    with qtbot.waitSignal(server.asked, timeout=5000):
        assert raise_other(tmp_path)
    assert not raise_other(tmp_path / "another")
    server.close()
    assert not raise_other(tmp_path)


def test_one_that_was_left_behind_does_not_keep_a_window_from_starting(qtbot, tmp_path):
    server = InstanceServer(tmp_path)
    again = InstanceServer(tmp_path)
    with qtbot.waitSignal(again.asked, timeout=5000):
        assert raise_other(tmp_path)
    again.close()
    server.close()
