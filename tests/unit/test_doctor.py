"""The report: what it says, that it can be read back by the probes, and that nobody is named in it."""

import asyncio
import json
import os
import re
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop import i18n
from autoglm_desktop.core import report
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.machine import Cpu
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.core.redact import Identity
from autoglm_desktop.host.crashes import Crash
from autoglm_desktop.probe import (
    cgroup,
    cpu_linux,
    cpu_macos,
    disk_macos,
    memory,
    nvidia_smi,
    raw,
    system,
    tuning,
)
from autoglm_desktop.probe import ram_modules_linux as ram
from autoglm_desktop.probe.identity import identity
from autoglm_desktop.texts import doctor as texts
from autoglm_desktop.usecases import doctor
from tests.fakes import made_machines as made
from tests.fakes import outputs
from tests.fakes.fake_services import made_services
from tests.fakes.made_check import made_result

NOBODY = Identity()
ALLOWED = frozenset(range(4))


@pytest.fixture(autouse=True)
def english():
    before = i18n.language()
    i18n.set_language("en")
    yield
    i18n.set_language(before)


GROUP = "user.slice/user-1000.slice/user@1000.service/app-anna.scope"


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def made_tree(root):
    """made_: /proc, /sys and /etc of a desktop with a control group and four CPUs."""
    files = {
        "proc/cpuinfo": outputs.text("made_cpuinfo_intel_hybrid.txt"),
        "proc/meminfo": outputs.text("made_meminfo.txt"),
        "proc/swaps": "Filename Type Size Used Priority\n/home/anna/swapfile file 1048576 0 -2\n",
        "proc/self/cgroup": f"0::/{GROUP}\n",
        "proc/self/mountinfo": "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n"
        "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        "99 22 8:3 / /media/anna/Stick77 rw - ext4 /dev/sdb1 rw\n",
        "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
        "proc/sys/vm/swappiness": "60\n",
        "proc/sys/fs/file-max": "9223372036854775807\n",
        "proc/sys/net/core/somaxconn": "4096\n",
        "etc/os-release": outputs.text("made_os_release_ubuntu.txt"),
        "etc/hostname": "annas-rechner\n",
        "run/udev/data/+dmi:id": outputs.text("made_udev_dmi_two_ddr4.txt")
        + "E:MEMORY_DEVICE_1_SERIAL_NUMBER=77AA88BB\nE:MEMORY_DEVICE_1_ASSET_TAG=Annas RAM\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/devices/system/cpu/online": "0-3\n",
        "sys/devices/cpu_core/cpus": "0-1\n",
        "sys/devices/system/node/online": "0\n",
        "sys/devices/system/node/node0/cpulist": "0-3\n",
        f"sys/fs/cgroup/{GROUP}/memory.max": "8589934592\n",
        f"sys/fs/cgroup/{GROUP}/memory.current": "2147483648\n",
        f"sys/fs/cgroup/{GROUP}/memory.stat": "anon 1\ninactive_file 1073741824\nslab 3\n",
        f"sys/fs/cgroup/{GROUP}/cpu.max": "300000 100000\n",
    }
    for cpu, siblings in ((0, "0-1"), (1, "0-1"), (2, "2"), (3, "3")):
        folder = f"sys/devices/system/cpu/cpu{cpu}"
        files[f"{folder}/topology/core_cpus_list"] = siblings + "\n"
        for index, level, size in ((0, 1, "48K"), (2, 2, "2048K"), (3, 3, "30M")):
            cache = f"{folder}/cache/index{index}"
            shared = {1: siblings, 2: siblings, 3: "0-3"}[level]
            files.update(
                {f"{cache}/level": f"{level}\n", f"{cache}/type": "Data\n", f"{cache}/size": f"{size}\n"}
            )
            files[f"{cache}/shared_cpu_list"] = shared + "\n"
    return write_tree(root, files)


def smi(command, _limit):
    return outputs.text("made_nvidia_smi_query.csv" if len(command) > 1 else "made_nvidia_smi_table.txt")


def sources(root, **more):
    given = {"environ": {}, "platform": "linux", "run": smi, "find_smi": lambda: "nvidia-smi", **more}
    return raw.Sources(root, **given)


def made_findings(sections=(), who=NOBODY, **more):
    result = made_result(made.made_rtx_3060())
    return doctor.Findings(
        "1.2", "3.12.1", 0.0, who, result.machine, result, sections=tuple(sections), **more
    )


def probed(root):
    """All that the probes read of a Linux machine's files."""
    return {
        "cpu": cpu_linux.probe(root, ALLOWED),
        "memory": memory.linux(root),
        "ram": ram.probe(root),
        "os": system.linux(root, {}),
        "tuning": tuning.linux(root, "1024"),
        "quota": cgroup.cpu_quota(root),
    }


PEOPLE = [
    Identity(),
    Identity(("anna",), ("/home/anna",), ("annas-rechner",)),
    Identity(("root",), ("/root",), ("localhost",)),
    *(
        Identity((name,), (f"/home/{name}",), (name,))
        for name in ("gpu", "model", "a", "E", "processor", "MemTotal", "kB", "intel", "user", "sys", "cgroup2", "max",
                     "slice", "scope", "memory", "flags", "0", "none", "madvise", "DDR4", "张伟", "(user)", "app",
                     "name", "GeForce", "driver", "total_bytes", "true", "null")
    ),
]  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE, ids=lambda who: (who.users or ("nobody",))[0])
def test_the_probes_read_a_report_as_they_read_the_machine(tmp_path, who):
    """Whatever the user and the machine are called."""
    root = made_tree(tmp_path / "machine")
    sections = raw.raw(tmp_path, sources(root))
    findings = made_findings(sections, who)
    read = report.read_back(texts.report_text(findings))
    again = write_tree(tmp_path / "again", report.files_of(read))
    expected = probed(root)
    assert expected["cpu"].physical_cores == 3 and expected["memory"].limit_bytes == 8 << 30, (
        "the tree says something"
    )
    assert expected["ram"].channels and expected["quota"] == 3.0 and expected["cpu"].l3_bytes == 30 << 20
    assert probed(again) == expected
    gpus = nvidia_smi.parse_smi(read["nvidia-smi-query"], nvidia_smi.parse_cuda_version(read["nvidia-smi"]))
    assert gpus == nvidia_smi.parse_smi(outputs.text("made_nvidia_smi_query.csv"), "12.6") and len(gpus) == 2
    machine = machine_from_json(json.loads(read[texts.MACHINE]))
    before = findings.result.machine
    assert replace(machine, disks=()) == replace(before, disks=())
    assert [disk.free_bytes for disk in machine.disks] == [disk.free_bytes for disk in before.disks]


@pytest.mark.parametrize(
    "name", ["made_sysctl_m4_pro.txt", "made_sysctl_intel_mac.txt", "sysctl_m1_pro_caches.txt"]
)
def test_a_mac_is_read_back(tmp_path, name):
    plist = outputs.text("made_diskutil_apple.plist")
    answers = {"sysctl": outputs.text(name), "diskutil": plist, "system_profiler": "{}"}
    sections = raw.raw(
        tmp_path,
        sources(
            tmp_path, platform="darwin", run=lambda c, _s: answers[Path(c[0]).name], find_smi=lambda: None
        ),
    )
    read = report.read_back(
        texts.report_text(made_findings(sections, Identity(("apple", "hw"), ("/Users/hw",))))
    )
    assert cpu_macos.parse_sysctl(read["sysctl"]) == cpu_macos.parse_sysctl(outputs.text(name))
    assert disk_macos.parse_diskutil(read["diskutil"]) == disk_macos.parse_diskutil(plist) == "nvme"
    assert disk_macos.parse_volume(read["diskutil"]) == disk_macos.parse_volume(plist)


WORDS = (
    "gpu",
    "model",
    "a",
    "free",
    "driver",
    "gguf-cpu",
    "ram",
    "ways",
    "engines",
    "numpy",
    "intel",
    "autoglm",
    "phone",
)


@pytest.mark.parametrize("name", WORDS)
def test_a_name_that_is_a_word_leaves_the_conclusions_alone(name):
    found = made_findings(packages=("numpy==2.0.1.4",), engines=(("llama-cpu", None),))
    plain = texts.report_text(found).split("=====")[0]
    person = Identity((name, name.upper()), (f"/home/{name}",), (name,))
    assert texts.report_text(replace(found, identity=person)).split("=====")[0] == plain


def test_nobody_is_named(tmp_path):
    root = made_tree(tmp_path / "machine")
    who = Identity(("anna", "Anna Müller"), ("/home/anna",), ("annas-rechner",), ("geheim-geheim",))
    log = (
        "INFO loading /home/anna/模型/x.gguf for Anna Müller on annas-rechner",
        "ERROR GET https://anna:pw1234@pypi.example/x?sig=abc 192.168.1.9 hf_abcdef123456 geheim-geheim",
    )
    crash = Crash("hw", "1", "llama.cpp", "gguf-cpu", "load", "crashed", "at /home/anna/lib.so")
    text = texts.report_text(made_findings(raw.raw(tmp_path, sources(root)), who, log=log, crashes=(crash,)))
    lower = text.casefold()
    for private in (
        "anna",
        "müller",
        "rechner",
        "pw1234",
        "sig=abc",
        "192.168.1.9",
        "hf_abc",
        "geheim",
        "77AA88BB",
        "Stick77",
    ):
        assert private.casefold() not in lower, re.findall(rf"(?i).*{private}.*", text)
    assert "loading /home/(user)/模型/x.gguf" in text and "at /home/(user)/lib.so" in text


def test_what_it_says_and_in_which_order(tmp_path):
    found = made_findings(
        [report.Section("x/y", "raw\n")],
        engines=(("llama-cpu", None),),
        log=("2026 WARNING last words",),
        packages=("numpy==2.0.1.4",),
        crashes=(
            Crash("hw", "0.3", "llama.cpp", "gguf-gpu", "load", "hung", "no answer", at=86400.0),
            Crash(
                "hw", "0.3", "llama.cpp", "gguf-cpu", "load", "crashed", "no page", file="7-ab", at=86400.0
            ),
        ),
    )
    text = texts.report_text(found)
    assert "no answer\n" in text and "no page · for one file only\n" in text
    order = [
        report.SIGNATURE, "AutoGLM-Phone-9B, to drive a phone (screenshots): runs well", "[",
        "llama-cpu: not installed",
        "1970-01-02 · gguf-gpu · load · hung", "numpy==2.0.1.4", "last words",
        "===== machine.json =====", "===== x/y =====",
    ]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_conclusions_are_translated_and_section_names_are_not(tmp_path):
    found = made_findings([report.Section("x/y", "raw\n")])
    i18n.set_language("zh_CN")
    text = texts.report_text(found)
    assert (
        "运行" in text
        and text.startswith(report.SIGNATURE)
        and set(report.read_back(text)) == {"machine.json", "x/y"}
    )


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n \n"])
def test_sections_come_back_as_they_were(end):
    bodies = {"a": f"one\n\ntwo{end}", "b c": f"=====\n== x =={end}", "empty": "", "d": f"三{end}"}
    text = report.write(
        "said\n===== a =====\nno", [report.Section(name, body) for name, body in bodies.items()]
    )
    expected = {
        name: body if body.endswith("\n") or not body else body + "\n" for name, body in bodies.items()
    }
    assert report.read_back(text) == expected == report.read_back(text.replace("\n", "\r\n"))


def test_what_looks_like_a_head_is_none():
    text = report.write("", [report.Section("a", "x\n===== b =====\ny\r===== c =====\n")])
    assert report.read_back(text) == {"a": "x\n ===== b =====\ny\n ===== c =====\n"}


def test_environment_variables_by_name_alone(tmp_path):
    environ = {"HF_TOKEN": "hf_x", "CUDA_VISIBLE_DEVICES": "7-7-7", "SSH_AUTH_SOCK": "/x", "MY_BANK": "y"}
    found = raw.raw(tmp_path, sources(tmp_path, environ=environ, find_smi=lambda: None))
    assert found[-1] == report.Section(
        "environment-names", "CUDA_VISIBLE_DEVICES\nHF_TOKEN\n", personal=False
    )


def test_a_tool_that_hangs_is_left_out(tmp_path):
    import threading

    root, release = made_tree(tmp_path / "machine"), threading.Event()
    started = time.monotonic()
    found = raw.raw(tmp_path, sources(root, run=lambda _c, _s: release.wait(60)), limit_s=0.5)
    names = [section.name for section in found]
    assert "proc/cpuinfo" in names and "nvidia-smi" not in names and time.monotonic() - started < 30
    release.set()


def test_a_part_that_fails_says_so(tmp_path):
    def broken():
        raise RuntimeError("made")

    found = raw.raw(made_tree(tmp_path), sources(tmp_path, find_smi=broken))
    assert any("RuntimeError: made" in section.text for section in found) and len(found) > 5


def test_sizes_are_bounded(tmp_path):
    root = made_tree(tmp_path / "machine")
    (root / "run/udev/data/+dmi:id").write_text("E:LONG=1\n" * 100_000)
    found = {section.name: section.text for section in raw.raw(tmp_path, sources(root))}
    assert 30_000 < len(found["run/udev/data/+dmi:id"]) <= raw.MOST_CHARACTERS
    assert found["run/udev/data/+dmi:id"].endswith("E:LONG=1\n")


def test_identity_knows_accounts_and_environment(tmp_path):
    root = write_tree(tmp_path, {"etc/hostname": "kiste\n"})
    environ = {
        "USER": "anna",
        "USERPROFILE": "C:\\Users\\Anna M",
        "COMPUTERNAME": "PC7",
        "MY_TOKEN": "abcdef",
        "PATH": "/x",
    }
    who = identity(environ, root)
    assert "anna" in who.users and "C:\\Users\\Anna M" in who.homes
    assert {"kiste", "PC7"} <= set(who.hosts) and who.secrets == ("abcdef",)


def test_gathering_survives_a_broken_check_and_an_unreadable_home(tmp_path, monkeypatch):
    services = made_services(tmp_path / "家 home")

    async def broken(*_arguments, **_more):
        raise RuntimeError("made failure")

    monkeypatch.setattr(doctor, "run_check", broken)
    found = asyncio.run(doctor.gather(services, sources(made_tree(tmp_path / "machine")), NOBODY))
    text = texts.report_text(found)
    assert (
        "The check failed: RuntimeError: made failure" in text
        and "llama-cpu 0.3.36: self-test passed" in text
    )
    assert "proc/cpuinfo" in report.read_back(text)


def test_a_check_that_hangs_ends_in_time(tmp_path, monkeypatch):
    async def hangs(_services, _options, on_part):
        on_part("cpu", Cpu("Made CPU"))
        await asyncio.Event().wait()

    monkeypatch.setattr(doctor, "run_check", hangs)
    found = asyncio.run(doctor.gather(made_services(tmp_path), sources(tmp_path), NOBODY, check_s=0.05))
    text = texts.report_text(found)
    assert "The check failed: no answer within 0.05 s" in text
    machine = machine_from_json(json.loads(report.read_back(text)[texts.MACHINE]))
    assert machine.cpu.name == "Made CPU" and machine.memory.total_bytes is None, "what did answer is there"


def test_the_log_is_cut(tmp_path):
    (tmp_path / "autoglm-desktop.log").write_text(
        "".join(f"{i} {'张' * 900}\n" for i in range(200)), encoding="utf-8"
    )
    lines = doctor.last_lines(tmp_path)
    assert len(lines) <= doctor.LOG_LINES and lines[-1].startswith("199 ")
    assert all(len(line) <= doctor.LONGEST_LINE for line in lines)
    assert doctor.last_lines(tmp_path / "nothing") == ()


def test_a_report_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "报告 1.txt"
    doctor.write_report(path, report.write("first", []))
    doctor.write_report(path, report.write("second", []))
    assert "second" in path.read_text("utf-8") and [one.name for one in tmp_path.iterdir()] == [path.name]
    other = tmp_path / "thesis.txt"
    other.write_text("years of work")
    for taken in (other, tmp_path):
        with pytest.raises(AppError) as error:
            doctor.write_report(taken, "x")
        assert error.value.code == "report_in_the_way"
    assert other.read_text() == "years of work"
    empty = tmp_path / "empty"
    empty.touch()
    doctor.write_report(empty, report.write("third", []))
    assert "third" in empty.read_text("utf-8")


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(AppError) as error:
        doctor.write_report(tmp_path / "no" / "folder", "x")
    assert error.value.code == "file_unwritable" and not list(tmp_path.iterdir())
    with pytest.raises(AppError) as error:
        doctor.write_report(tmp_path / "a\0b", "x")
    assert error.value.code == "file_unwritable"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(AppError):
        doctor.write_report(tmp_path / "x", "x")
    tmp_path.chmod(stat.S_IRWXU)
