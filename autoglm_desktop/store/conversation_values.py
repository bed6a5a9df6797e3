"""The values that conversations consist of. Times are seconds since the epoch, speeds tokens/s."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.conversation import ConversationSettings

LATEST = 32_503_680_000.0
"""The year 3000: a time after it is none, and no calendar shows it."""


@dataclass(frozen=True)
class Conversation:
    """``head``: the message its transcript ends with; None: it is empty."""

    id: int
    title: str
    created: float
    updated: float
    pinned: bool = False
    head: int | None = None
    settings: ConversationSettings = field(default_factory=ConversationSettings)


@dataclass(frozen=True)
class Facts:
    """What the engine reported of an answer. ``dropped`` counts old messages that no longer fitted; ``unseen`` the
    pictures of earlier turns that the model could not be shown (None: none); ``endpoint``: the name of the remote
    server that answered, None: this machine; ``thinking_s``: how long it thought. ``prompt_tokens`` and ``tokens``
    together are what of the context was in use at the answer's end."""

    model: str | None = None
    rung: str | None = None
    tokens: int | None = None
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    dropped: int | None = None
    prompt_tokens: int | None = None
    thinking_s: float | None = None
    endpoint: str | None = None
    unseen: int | None = None


NO_FACTS = Facts()


@dataclass(frozen=True)
class Picture:
    """A picture of a message: the file as it was given, named by its content. Width and height in pixels, upright.
    ``most_tokens``: how large the user wants it shown; None: as large as there is room."""

    sha256: str
    extension: str  # png | jpg | webp | bmp | gif
    width: int
    height: int
    size_bytes: int
    name: str = ""  # what its file was called, for people
    most_tokens: int | None = None

    @property
    def file_name(self) -> str:
        return f"{self.sha256}.{self.extension}"


@dataclass(frozen=True)
class StoredMessage:
    """``finish_reason``: stop | length | cancelled | failed; None: not an answer, or it was never finished.

    ``versions``: the ids of this message and its siblings, oldest first; empty where it is the only one.
    """

    id: int
    conversation: int
    role: str  # user | assistant
    text: str
    created: float
    facts: Facts = Facts()
    finish_reason: str | None = None
    parent: int | None = None
    versions: tuple[int, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A question that is not sent yet. ``pictures`` are kept as those of messages are."""

    text: str = ""
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Deletion:
    """What was taken away, so that it can be brought back. ``head``: of the conversation before; ``whole``: the
    conversation itself; ``messages``: how many."""

    conversation: int
    stamp: float
    head: int | None
    whole: bool
    messages: int
