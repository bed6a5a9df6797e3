"""The demo model that comes with the program: its names, and how it is asked. Values only.

It knows this program and nothing else, so it is no model of the catalogue: no verdict, no recommendation and no
measurement counts it.
"""

from __future__ import annotations

from .protocol import Sampling

ID = "demo"
"""What the terminal calls it, and the service's clients."""
NAME = "AutoGLM Desktop Demo"
"""``general.name`` of its file, and what is shown; the same in every language."""
SAMPLING = Sampling(temperature=0.0, max_tokens=128)
"""Its answers are learned word for word: the likeliest token is the right one, and the longest answer has 103."""


def is_demo(model: str | None) -> bool:
    """``model``: a catalogue id, as targets have one."""
    return model == ID
