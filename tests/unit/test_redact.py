"""What a report must not tell is gone, and nothing else: names that are words, paths, patterns, look-alikes."""

import json
import time
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from autoglm_desktop.core.redact import Identity, Redactor, words_of
from autoglm_desktop.probe.disk_linux import parse_mount

ANNA = Identity(("anna",), ("/home/anna",), ("anna-pc", "anna-pc.home.example"))


def redact(text, identity=ANNA, **more):
    redactor = Redactor(identity)
    once = redactor.redact(text, **more)
    assert redactor.redact(once, **more) == once, "redacting twice changes nothing"
    return once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/anna/models/x.gguf", "/home/(user)/models/x.gguf"),
        ("/home/annabell and /home/anna-old", "/home/(user-2) and /home/(user-3)"),
        ("/home/anna", "/home/(user)"),
        ("file:///home/anna/x", "file:///home/(user)/x"),
        ("/home/bob/x /home/anna/x /home/bob/y", "/home/(user-2)/x /home/(user)/x /home/(user-2)/y"),
        ("/media/bob/STICK /run/media/carl/D", "/media/(user-2)/STICK /run/media/(user-3)/D"),
        (r"C:\Users\Bob\AppData", r"C:\Users\(user-2)\AppData"),
        (r'"C:\\Users\\Bob\\AppData"', r'"C:\\Users\\(user-2)\\AppData"'),
        ("/Users/Shared/x /Users/bob/x /home/linuxbrew/x", "/Users/Shared/x /Users/(user-2)/x /home/linuxbrew/x"),
        ("ANNA, Anna's file, anna_x, annals", "(user), (user)'s file, (user)_x, annals"),
        ("anna-pc anna-pc.home.example", "(host) (host-2)"),
        ("anna@anna-pc:~$", "(user)@(host):~$"),
    ],
)  # fmt: skip
def test_names_and_folders(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("张伟", "/home/张伟"), ("anna maria", "/home/anna maria"), ("O'Brien", "/home/O'Brien"),
        ("a.b+c", "/home/a.b+c"),
        ("Müller", "/Users/Müller"), ("欧阳 娜娜", "C:\\Users\\欧阳 娜娜"),
        ("Zoë", "/srv/people/Zoë"), ("[x]{1}", "/home/[x]{1}"),
    ],
)  # fmt: skip
def test_names_of_every_kind_in_every_spelling(name, home):
    identity = Identity((name,), (home,))
    escaped = home.replace(" ", "\\040")
    apart = unicodedata.normalize("NFD", home)
    doubled = json.dumps(home, ensure_ascii=False)
    paths = (f"{home}/模型 x/y.gguf", f"{escaped}/x", apart, doubled, f"file://{quote(home)}")
    for text in (*paths, name, json.dumps(name)):
        found = redact(text, identity)
        assert "(user" in found, text
        for form in (name, unicodedata.normalize("NFD", name), quote(name), json.dumps(name)[1:-1]):
            assert form not in found, (text, found)


def test_chinese_names_have_no_edges():
    assert redact("这是张伟的电脑", Identity(("张伟",))) == "这是(user)的电脑"


REPORT = """\
  [ok] GPU memory: 6.8 GiB of 8.0 GiB are free. The model fits on the GPU as Q4_K_M.
model name\t: 13th Gen Intel(R) Core(TM) i5
/usr/lib/model/gpu a = 1
"""
ORDINARY = words_of([REPORT])


@pytest.mark.parametrize(
    "name", ["gpu", "model", "a", "x", "root", "memory", "intel", "GPU", "of", "伟", "1", "core"]
)
def test_a_name_that_is_a_word_does_not_destroy_the_report(name):
    """It goes only where it names a person."""
    home = "/root" if name == "root" else f"/home/{name}"
    identity = Identity((name,), (home,), (name,), ordinary=ORDINARY)
    assert redact(REPORT, identity) == REPORT
    if name == "root":
        assert redact("/root/x root@box user=root", identity) == "/root/x root@box user=root"
        return
    assert redact(f"{home}/x user={name} {name}@box /media/{name}/y", identity) == (
        "/home/(user)/x user=(user) (user)@box /media/(user)/y"
    )


def test_a_home_folder_elsewhere_loses_its_last_part_alone():
    identity = Identity(("gpu",), ("/data/people/gpu", "D:\\Profile\\gpu"), ordinary=ORDINARY)
    assert redact("/data/people/gpu/gpu.txt /data/people/gpus", identity) == (
        "/data/people/(user)/gpu.txt /data/people/gpus"
    )
    assert redact(r"d:\profile\gpu\x", identity) == r"d:\profile\(user)\x"


@pytest.mark.parametrize("home", ["/", "/root", "", "C:\\", "/home"])
def test_a_home_that_is_nobodys(home):
    text = "/ /root/x /home C:\\x /usr/home/"
    assert redact(text, Identity(("root",), (home,))) == text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("HF_TOKEN=hf_abcdEFGH1234", "hf_abcdEFGH1234"),
        ("found hf_abcdEFGH1234.", "hf_abcdEFGH1234"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("key sk-proj-abcdef123456", "sk-proj-abcdef123456"),
        ("ghp_" + "a1B2" * 9, "a1B2a1B2"),
        ('{"api_key": "qwerty"}', "qwerty"),
        ("password=123456", "123456"),
        ("https://karl:geheim@pypi.example/simple", "geheim"),
        ("https://geheim@pypi.example/simple", "geheim"),
        ("http://karl:ge/heim@proxy.example:8080", "ge/heim"),
        ("GET https://x.example/f?X-Amz-Signature=abc123&a=1 HTTP/1.1", "abc123"),
        ("eyJhbGciOi.eyJzdWIiOiIx.SflKxwRJ", "eyJzdWIiOiIx"),
        ("x " + "0f1e" * 16, "0f1e0f1e"),
        ("x=aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE", "aB3dE5gH7j"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc\n-----END PRIVATE KEY-----", "MIIEvQ"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nMIIEvQ cut off", "MIIEvQ"),
        ("Anna <anna.b@firma.example>", "firma"),
        ("写给 王伟@例子.公司 的信", "王伟"),
        ("GPU-8b1a9953-c461-1896-7b4d-abcdefabcdef", "8b1a9953"),
        ("machine-id 0123456789abcdef0123456789abcdef", "0123456789ab"),
        ("wlan0 00:1a:2B:3c:4d:5e", "2B:3c"),
        ("00-1A-2B-3C-4D-5E", "1A-2B"),
        ("from 192.168.178.20:443", "192.168"),
        ("fe80::21a:2bff:fe3c:4d5e%wlan0", "21a"),
        ("[2001:db8::7]:8000", "db8"),
        ("Serial Number: AB 12-CD", "12-CD"),
        ("Serial\t\t: 10000000abcd", "10000000abcd"),
        ("E:MEMORY_DEVICE_1_SERIAL_NUMBER=1A2B3C4D", "1A2B3C4D"),
        ("ID_SERIAL_SHORT=S4EW", "S4EW"),
        ('"dimm_serial_number" : "0x1234"', "0x1234"),
        ("<key>DiskSerial</key>\n\t<string>S4EW</string>", "S4EW"),
        ("Asset Tag: Firma-77", "Firma-77"),
        ('"IOPlatformSerialNumber" = "C02ABC1234"', "C02ABC1234"),
        ("S/N: 77AB", "77AB"),
        ("31 22 8:1 / /x rw - ext4 /dev/disk/by-id/ata-WDC_WD10-WCC4N12 rw", "WCC4N12"),
        ("/dev/disk/by-label/Annas\\x20Platte 1 0 -2", "Annas"),
        ("eui.002538b411b2cee8 wwn-0x50014ee2b5d3e4f5", "002538b411b2cee8"),
        ("eui.002538b411b2cee8 wwn-0x50014ee2b5d3e4f5", "50014ee2b5d3e4f5"),
        ("autoglm --api-key geheim7 check", "geheim7"),
        ("curl --hf-token geheim7", "geheim7"),
        ("dckr_pat_abcdefghij12", "abcdefghij12"),
        ("S-1-5-21-111-222-333-1001", "111-222"),
        ("//nas/share username=karl,password=x1y2z3,domain=FIRMA rw", "karl"),
        ("//nas/share username=karl,password=x1y2z3,domain=FIRMA rw", "x1y2z3"),
        ("//nas/share username=karl,password=x1y2z3,domain=FIRMA rw", "FIRMA"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", [True, False])
def test_what_its_form_gives_away(text, secret, names):
    found = redact(text, names=names)
    assert secret not in found and "(" in found


@pytest.mark.parametrize(
    "text",
    [
        "6.8.0-45-generic 5.15.153.1-microsoft-standard-WSL2 driver version 31.0.15.1",
        '"driver_version": "10.1.2.3" certifi==2026.1.2.3',
        "2026-11-21 09:47:17,123 INFO x: 09:47:17",
        "0000:01:00.0 pci0000:00/0000:00:02.0 8:16 std::string a::b ::1 127.0.0.1:8000 0.0.0.0",
        "AutoGLM-Phone-9B-Q4_K_M-00001-of-00002.gguf NVIDIA-GeForce-RTX-4060-Laptop-GPU-16GB-Max",
        "sha256: " + "0f1e" * 16,
        "resolve/" + "0f1e" * 10 + "/model.gguf",
        '"tokens_per_s": 12.5, "prompt_tokens": 900, max_tokens=8, token: 12, tokenizer: glm4',
        "/user.slice/user-1000.slice/user@1000.service/app.slice",
        "flags\t\t: fpu vme de pse tsc msr pae avx512_vnni amx_tile amx_int8",
        "https://huggingface.co/zai-org/AutoGLM-Phone-9B/resolve/main/config.json",
        "_ZN4ggml7backend3cpu9threadpoolEv ggml_compute_forward_mul_mat_one_chunk",
        "serial port, password needed, a token is needed, serialized: true, --token --json",
    ],
)
def test_what_only_looks_so_stays(text):
    assert redact(text) == text


def test_values_of_secret_variables_go_wherever_they_stand():
    identity = Identity(secrets=("pass phrase 7", "1", "true", "model"), ordinary=ORDINARY)
    assert redact("x pass phrase 7 y 1 true model", identity) == "x (secret) y 1 true model"
    assert redact("pass%20phrase%207", identity) == "(secret)"


def test_one_value_is_one_word_in_all_parts():
    redactor = Redactor(ANNA)
    first = redactor.redact("/docker/" + "0f1e" * 16 + " 10.0.0.7 10.0.0.8")
    second = redactor.redact("10.0.0.8 /x/" + "0f1e" * 16, names=False)
    assert first == "/docker/(secret) (ip) (ip-2)" and second == "(ip-2) /x/(secret)"


def test_mounts_stay_apart():
    """Two people's mounts must not become one mount point."""
    mounts = (
        "22 1 0:21 / / rw - ext4 /dev/sda1 rw\n31 22 0:22 / /home/anna rw - btrfs /dev/sdb1 rw\n"
        "32 22 0:23 / /home/anna\\040maria ro - xfs /dev/sdc1 rw\n33 22 0:24 / /home/bob ro - nfs4 nas:/x rw\n"
    )
    redactor = Redactor(Identity(("anna", "anna maria"), ("/home/anna", "/home/anna maria")))
    changed = redactor.redact(mounts)
    assert "anna" not in changed and "bob" not in changed
    for folder in ("/home/anna/models", "/home/anna maria/models", "/home/bob/models", "/srv"):
        expected = parse_mount(mounts, Path(folder))
        assert parse_mount(changed, Path(redactor.redact(folder))) == expected


@pytest.mark.parametrize(
    "piece",
    ["a_", "a-", "aA1", "0", "f", ":", "@a.", "/home/", "token", "serial", "1.", "\\", "张", "http://a?", "user=",
     "-----BEGIN PRIVATE KEY-----"],
)  # fmt: skip
def test_hostile_text_takes_no_time(piece):
    started = time.process_time()
    redact(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 20
