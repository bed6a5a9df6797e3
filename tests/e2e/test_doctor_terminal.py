"""``doctor`` as a person runs it: a process of its own, a user with a name, nothing that can be written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core import report
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.probe.memory import parse_meminfo

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def doctor(home, *words, **more):
    """(status, stdout, stderr)"""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    # No address of the network can be reached: what tries is refused at once.
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://karla:pw98765@127.0.0.1:1")
    given = {"AUTOGLM_HOME": str(home), "AUTOGLM_LANG": "en", "PYTHONPATH": str(ROOT), **proxies, **more}
    done = subprocess.run(
        [sys.executable, "-m", "autoglm_desktop", "doctor", *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env={**kept, **given}, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_report_names_nobody(tmp_path):
    home = tmp_path / "karla müller" / "数据"
    log = home / "logs" / "autoglm-desktop.log"
    log.parent.mkdir(parents=True)
    log.write_text("INFO karla müller asked with hf_SECRETsecret12 from 10.1.2.3\n", encoding="utf-8")
    person = {"USER": "karla müller", "LOGNAME": "karla müller", "HOME": str(tmp_path / "karla müller")}
    status, out, err = doctor(home, HF_TOKEN="hf_SECRETsecret12", **person)
    assert (status, err) == (0, "") and report.is_report(out)
    for private in ("karla", "müller", "pw98765", "SECRETsecret", "10.1.2.3"):
        assert private not in out.lower() and private not in out, private
    assert f"{os.sep}(user){os.sep}数据" in out
    assert re.search(r"INFO \(user\) asked with \(secret(-\d)?\) from \(ip(-\d)?\)", out), out[
        out.find("INFO") :
    ][:200]
    sections = report.read_back(out)
    assert machine_from_json(json.loads(sections["machine.json"])).memory.total_bytes
    if sys.platform == "linux":
        assert parse_meminfo(sections["proc/meminfo"]).total_bytes
        assert "HF_TOKEN" in sections["environment-names"].splitlines()


def test_into_a_file_again_and_again(tmp_path):
    path = tmp_path / "报告 one.txt"
    for _time in range(2):
        status, out, err = doctor(tmp_path / "home", "--output", path)
        assert (status, err) == (0, "") and "报告 one.txt" in out
        assert report.is_report(path.read_text("utf-8"))
    path.write_text("something else", encoding="utf-8")
    status, out, err = doctor(tmp_path / "home", "--output", path)
    assert (status, out) == (1, "") and len(err.splitlines()) == 1 and "another file" in err
    assert path.read_text("utf-8") == "something else"
    status, out, err = doctor(tmp_path / "home", "--output", tmp_path / "none" / "x")
    assert (status, out) == (1, "") and len(err.splitlines()) == 1


def test_in_chinese(tmp_path):
    status, out, _err = doctor(tmp_path, "--lang", "zh")
    assert status == 0 and report.is_report(out) and "运行" in out
    assert "machine.json" in report.read_back(out)


def test_a_home_that_is_a_file(tmp_path):
    """As good as read-only, also for root: nothing can be written below it."""
    home = tmp_path / "home"
    home.write_text("no folder")
    status, out, err = doctor(home)
    assert (status, err) == (0, "") and report.is_report(out) and home.read_text() == "no folder"


@pytest.mark.skipif(os.name == "nt", reason="a tool that is a script")
def test_a_driver_that_hangs_does_not_hold_it_up(tmp_path):
    """nvidia-smi never answers; the report comes all the same and says what is missing."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexec sleep 40\n")
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    status, out, _err = doctor(tmp_path / "home", PATH=path)
    assert status == 0 and "The check failed: no answer within" in out
    assert "nvidia-smi-query" not in report.read_back(out) and "environment-names" in report.read_back(out)
