"""The transcript under load: one long answer streamed, 10,000 messages opened, 200 pictures, memory over 50,000 tokens.
Offscreen.

Each figure comes from a process of its own. A heartbeat of 5 ms in the event loop measures stalls: the longest time
between two beats.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from .startup import environment
from .timing import PYTHON, median_range

RATE = 300
"""Tokens/s."""
TOKEN = 5
"""Characters a token, as in English text."""
LINES = 2000
MESSAGES = 10_000
TOKENS = 50_000
PICTURES = 200
SCREEN = (1080, 2400)
"""Pixels of each picture."""
ROUNDS = 3
PROSE = (
    "## Part {n}\n\nSome **bold** words, `code` and [a link](https://example.org/{n}) in a sentence of common length.\n"
    "中文也在这里，量化用更少的位数保存权重。\n\n"
    "- one\n- two with *more* words\n  - nested\n\n"
    "```python\ndef part_{n}(weights):\n    # made\n    return [round(w / {n}) for w in weights], 'text'\n```\n\n"
)


def prose(lines):
    parts, found = [], 0
    while found < lines:
        parts.append(PROSE.format(n=len(parts) + 1))
        found += parts[-1].count("\n")
    return "\n".join("".join(parts).split("\n")[:lines])


def code(lines):
    body = "".join(f"    total += weigh({n}, 'name-{n}')  # line {n}\n" for n in range(lines - 3))
    return f"```python\ndef f(total):\n{body}```\n"


def bullets(lines):
    return "".join(f"{n}. item {n} of a **long** list with `code` in it\n" for n in range(1, lines + 1))


def table(lines):
    return "| a | b | c |\n|---|---|---|\n" + "".join(
        f"| {n} | `x{n}` | some words |\n" for n in range(lines - 2)
    )


TEXTS = {"prose": prose, "code": code, "bullets": bullets, "table": table}


def measure():
    found = {name: _child("stream", name, str(LINES)) for name in ("prose", "code", "bullets")}
    found["table"] = _child("stream", "table", "1000")
    opening = [_child("open") for _round in range(ROUNDS)]
    growth = _child("grow")
    lines = [
        f"One answer at {RATE} tokens/s ({TOKEN} characters a token), window of 1104 × 756, until all of it is drawn:",
        "",
    ]
    lines += [
        f"- {values['lines']} lines, {name}: longest stall {values['stall_ms']:.0f} ms (aim: at most 50), most "
        f"processor time between two events {values['work_ms']:.0f} ms, "
        f"{values['share']:.0%} of a core (aim: at most 40 %), {values['tokens']} tokens"
        for name, values in found.items()
    ]
    opened = [values["open_ms"] for values in opening]
    switched = [values["again_ms"] for values in opening]
    lines += [
        f"- {MESSAGES} messages: shown in {median_range(opened, 'ms', 0)} (aim: at most 300), from another "
        f"conversation {median_range(switched, 'ms', 0)}; longest stall while scrolling through them "
        f"{max(values['scroll_ms'] for values in opening):.0f} ms",
        f"- {TOKENS} tokens streamed in {growth['answers']} answers: {growth['growth_mb']:.1f} MB more resident memory "
        f"than after the first {growth['first']} tokens (aim: at most 20 MB)",
        _of_pictures([_child("pictures") for _round in range(ROUNDS)]),
    ]
    return lines


def _of_pictures(found):
    def of(name, unit):
        return median_range([values[name] for values in found], unit, 0)

    stall, work, kept = (max(values[name] for values in found) for name in ("stall_ms", "work_ms", "kept_mb"))
    return (
        f"- {PICTURES} questions with a screenshot of {SCREEN[0]} × {SCREEN[1]} pixels each, answered by actions that "
        f"are drawn on them: shown in {of('open_ms', 'ms')}, the pictures in view {of('seen_ms', 'ms')} later; longest "
        f"stall while scrolling through all of them {stall:.0f} ms, most processor time between two events "
        f"{work:.0f} ms; then {of('growth_mb', 'MB')} more resident memory than before the first, {kept:.0f} MB of it "
        "pictures that are kept"
    )


def _child(*arguments):
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [PYTHON, "-m", "tests.benchmarks.transcript", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **environment(home)},
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _window(bridge=None):
    from PySide6.QtWidgets import QApplication

    from autoglm_desktop.gui import theme
    from autoglm_desktop.gui.transcript.transcript import Transcript

    app = QApplication.instance() or QApplication([])
    theme.apply(app, theme.Scheme.LIGHT)
    transcript = Transcript(bridge=bridge)
    transcript.resize(1104, 756)
    transcript.show()
    app.processEvents()
    return app, transcript


class Beat:
    """The longest time between two turns of the event loop, and the most processor time of one, seconds. Where the
    first is much longer, something else had the processor."""

    def __init__(self):
        from PySide6.QtCore import Qt, QTimer

        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(5)
        self.timer.timeout.connect(self._beat)
        self.longest = self.most = 0.0
        self.last, self.used = time.perf_counter(), time.thread_time()
        self.timer.start()

    def _beat(self):
        now, used = time.perf_counter(), time.thread_time()
        self.longest, self.most = max(self.longest, now - self.last), max(self.most, used - self.used)
        self.last, self.used = now, used


def _stream(name, lines):
    from PySide6.QtCore import Qt, QTimer

    from autoglm_desktop.gui.transcript.document import Entry

    app, transcript = _window()
    text = TEXTS[name](lines)
    transcript.show_entries([Entry(1, "user", "A long answer, please")])
    transcript.begin(Entry(2, "assistant", ""), "…")
    transcript.add("First words.\n\n")
    app.processEvents()
    beat, begun, used = Beat(), time.perf_counter(), time.process_time()
    sent = 0
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(10)

    def feed():
        nonlocal sent
        wanted = int((time.perf_counter() - begun) * RATE)
        while sent < wanted and sent * TOKEN < len(text):
            transcript.add(text[sent * TOKEN : (sent + 1) * TOKEN])
            sent += 1
        if sent * TOKEN >= len(text):
            timer.stop()
            QTimer.singleShot(1500, end)

    def end():
        shown = [Entry(1, "user", "A long answer, please")]
        transcript.show_entries(
            [*shown, Entry(2, "assistant", "First words.\n\n" + text, footer="many tokens")]
        )
        QTimer.singleShot(500, app.quit)

    timer.timeout.connect(feed)
    timer.start()
    app.exec()
    spent = time.perf_counter() - begun
    return {
        "lines": lines,
        "tokens": sent,
        "stall_ms": beat.longest * 1000,
        "work_ms": beat.most * 1000,
        "share": (time.process_time() - used) / spent,
    }


def _open():
    from autoglm_desktop.gui.transcript.entries import entries
    from autoglm_desktop.store.conversations import Facts, StoredMessage

    app, transcript = _window()
    facts = Facts("made", "gguf-cpu-safe", 212, 5.3, 1.8)
    answer = prose(14)
    messages = tuple(
        StoredMessage(
            n, 1, "assistant" if n % 2 else "user", answer if n % 2 else f"Question {n}", 0.0, facts, "stop"
        )
        for n in range(MESSAGES)
    )
    from autoglm_desktop.gui.transcript.document import Entry

    def show():
        begun = time.perf_counter()
        transcript.show_entries(entries(messages, busy=False))
        transcript.grab()
        app.processEvents()
        return (time.perf_counter() - begun) * 1000

    first = show()
    transcript.show_entries([Entry(20_000, "user", "another")])
    again = show()
    bar, longest = transcript.verticalScrollBar(), 0.0
    for _step in range(400):
        begun = time.perf_counter()
        bar.setValue(bar.value() - 300)
        app.processEvents()
        longest = max(longest, time.perf_counter() - begun)
    return {"open_ms": first, "again_ms": again, "scroll_ms": longest * 1000}


def _grow():
    import psutil

    from autoglm_desktop.gui.transcript.document import Entry

    app, transcript = _window()
    shown, count, rss, first, streamed = [], 0, None, 2000, 0
    while streamed < TOKENS:
        text, key = prose(240), 2 * len(shown) + 1
        transcript.begin(Entry(key, "assistant", ""), "…")
        for start in range(0, len(text), TOKEN * 15):
            transcript.add(text[start : start + TOKEN * 15])
            transcript._draw()
            app.processEvents()
        streamed += len(text) // TOKEN
        count += 1
        shown.append(Entry(key, "assistant", text, footer="made"))
        transcript.show_entries(shown)
        app.processEvents()
        if rss is None and streamed >= first:
            rss, first = psutil.Process().memory_info().rss, streamed
    return {
        "answers": count,
        "first": first,
        "growth_mb": (psutil.Process().memory_info().rss - rss) / 1e6,
    }


def _pictures():
    """Opens a conversation of phone steps, then scrolls through it as fast as the pictures come."""
    from pathlib import Path

    import psutil
    from PySide6.QtCore import QEventLoop, QTimer

    from autoglm_desktop.gui.bridge import Bridge
    from autoglm_desktop.gui.transcript.answer_steps import step_of
    from autoglm_desktop.gui.transcript.document import Entry

    bridge = Bridge()
    app, transcript = _window(bridge)
    written = 'do(action="Tap", element=[420,466])'
    shown = []
    for n, picture in enumerate(_screens(Path(os.environ["AUTOGLM_HOME"]))):
        step = step_of(written, written, picture)
        shown.append(Entry(2 * n, "user", f"Step {n}", pictures=(picture,)))
        shown.append(Entry(2 * n + 1, "assistant", written, footer="made", step=step))
    transcript.show_entries([Entry(20_000, "user", "another")])
    transcript.grab()
    app.processEvents()
    rss = psutil.Process().memory_info().rss

    def wait():
        loop, poll = QEventLoop(), QTimer()
        poll.timeout.connect(lambda: transcript.thumbnails.busy or loop.quit())
        poll.start(2)
        loop.exec()

    begun = time.perf_counter()
    transcript.show_entries(shown)
    transcript.grab()
    app.processEvents()
    opened = time.perf_counter()
    wait()
    seen = time.perf_counter()
    beat, bar = Beat(), transcript.verticalScrollBar()
    while True:
        bar.setValue(bar.value() - 300)
        app.processEvents()
        transcript.viewport().repaint()
        wait()
        if bar.value() == 0 and transcript.chat.entries[0].key == 0:
            break
    found = {
        "open_ms": (opened - begun) * 1000,
        "seen_ms": (seen - opened) * 1000,
        "stall_ms": beat.longest * 1000,
        "work_ms": beat.most * 1000,
        "growth_mb": (psutil.Process().memory_info().rss - rss) / 1e6,
        "kept_mb": transcript.thumbnails.bytes / 1e6,
    }
    bridge.close()
    return found


def _screens(folder):
    """Made-up screenshots, no two alike."""
    from PIL import Image, ImageDraw

    from autoglm_desktop.gui.transcript.entry import Shown

    folder.mkdir(parents=True, exist_ok=True)
    for n in range(PICTURES):
        image = Image.linear_gradient("L").resize(SCREEN).convert("RGB")
        pen = ImageDraw.Draw(image)
        for row in range(12):
            top = row * SCREEN[1] // 12
            pen.rectangle((30, top, 30 + (n * 37 + row * 91) % 900, top + 120), fill=(n, row * 20, 200))
        path = folder / f"{n}.png"
        image.save(path, compress_level=1)
        yield Shown(path, *SCREEN, path.name, 3354)


if __name__ == "__main__":
    calls = {
        "stream": lambda: _stream(sys.argv[2], int(sys.argv[3])),
        "open": _open,
        "grow": _grow,
        "pictures": _pictures,
    }
    print(json.dumps(calls[sys.argv[1]]()))
