"""What the transformers tests share: a channel that remembers, and a backend in this process."""

import numpy as np

from autoglm_desktop.core import protocol

GREEDY = {"temperature": 0.0, "max_tokens": 16}


class Remembering:
    """Stands in for the engine's channel. ``cancel_after``: "cancelled" from that many questions on."""

    def __init__(self, cancel_after=10**9):
        self.asked, self.cancel_after, self.events, self.on_delta = 0, cancel_after, [], None
        self.on_cancel = None
        self.cancelled, self.forgotten = set(), []

    def is_cancelled(self, request):
        self.asked += 1
        return self.asked > self.cancel_after or request in self.cancelled

    def cancel(self, request):
        """As the channel's reader does."""
        self.cancelled.add(request)
        if self.on_cancel is not None:
            self.on_cancel(request)

    def forget(self, request):
        self.forgotten.append(request)
        self.cancelled.discard(request)

    def emit(self, event):
        self.events.append(event)
        if self.on_delta is not None and isinstance(event, protocol.Delta):
            self.on_delta(event)

    def text(self):
        return "".join(event.text for event in self.events if isinstance(event, protocol.Delta))

    def progress(self, phase):
        return [e.fraction for e in self.events if isinstance(e, protocol.Progress) and e.phase == phase]


class InProcess:
    """A backend without a child process."""

    def __init__(self, folder, **job):
        from autoglm_desktop.engine.transformers_backend import TransformersBackend

        self.channel = Remembering()
        self.backend = TransformersBackend(self.channel)
        values = {
            "context": 1024,
            "dtype": "fp32",
            "threads": 1,
            **job,
        }  # two would wait for each other on a busy machine
        self.proof = self.backend.load(protocol.Load("transformers", str(folder), **values))

    def ask(self, *contents, **sampling):
        """Contents in turn (user, assistant, …) → (text, done)."""
        roles = ("user", "assistant")
        messages = tuple(protocol.Message(roles[i % 2], content) for i, content in enumerate(contents))
        self.channel.events.clear()
        self.channel.asked = 0
        request = protocol.Generate("r", messages, protocol.Sampling(**{**GREEDY, **sampling}))
        done = self.backend.generate(request)
        return self.channel.text(), done


def picture(tmp_path, width=84, height=56, seed=0, name="picture.rgb"):
    """A prepared picture's message part, random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path = tmp_path / name
    path.write_bytes(pixels.tobytes())
    return {"type": "image", "file": str(path), "width": width, "height": height}


def pixels_of(part):
    with open(part["file"], "rb") as file:  # noqa: PTH123 - the part holds a plain string
        return np.frombuffer(file.read(), np.uint8).reshape(part["height"], part["width"], 3)
