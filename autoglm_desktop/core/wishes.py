"""What a wish asks of a plan: context, image, reply. Tokens."""

from __future__ import annotations

from dataclasses import dataclass

from .memory import IMAGE_TOKENS
from .rungs import PhoneStep
from .speed import PHONE_PROMPT_TOKENS, PHONE_REPLY_TOKENS, TEXT_CONTEXT_TOKENS
from .subject import Subject

PHONE_CONTEXT, PHONE_CONTEXT_RECOMMENDED, PHONE_CONTEXT_LEAST = 10_240, 16_384, 8_192
"""A screenshot (about 3,400), the agent's prompt (2,000) and a reply of up to 3,000 tokens; with the least of
them replies are limited to 2,500."""
TEXT_CONTEXT = 4_096

SCREENSHOTS = {IMAGE_TOKENS: "1080×2400", 1_482: "720×1600", 817: "540×1200"}
"""Image tokens by size of the screenshot, the full one first (docs/numbers.md, section 5)."""


@dataclass(frozen=True)
class Need:
    """``contexts``: tried from the first to the last, the next only where nothing fits; ``larger``: taken
    instead of the first where it fits without any concession. ``step``: the phone step, None for text."""

    wish: str
    contexts: tuple[int, ...]
    larger: int | None
    step: PhoneStep | None
    filled: int  # tokens in the context while tokens_per_s is told

    @property
    def context(self) -> int:
        return self.contexts[0]

    @property
    def image_tokens(self) -> int:
        """Of the wish's screenshot; the full one's without images."""
        return self.step.image_tokens if self.step is not None else IMAGE_TOKENS

    @property
    def read_tokens(self) -> int:
        """What ``prompt_tokens_per_s`` is told for."""
        step = self.step
        if step is None:
            return TEXT_CONTEXT_TOKENS
        return step.image_tokens + step.prompt_tokens - step.cached_tokens

    def smaller_contexts(self, current: int) -> tuple[int, ...]:
        """Contexts below the current one that the wish can still live with, largest first."""
        return tuple(sorted((c for c in self.contexts if c < current), reverse=True))


def need_for(
    subject: Subject, wish: str | None, context: int | None = None, image_tokens: int = IMAGE_TOKENS
) -> Need:
    """What a wish (None: the subject's own) needs; ``context`` is the user's own word for it.

    No plan goes beyond the context that the model was trained for, where that is known.
    """
    wish = wish or subject.default_wish
    phone = wish == "phone"
    larger: int | None = None
    if context is not None:
        contexts: tuple[int, ...] = (context,)
    elif phone:
        contexts, larger = (PHONE_CONTEXT, PHONE_CONTEXT_LEAST), PHONE_CONTEXT_RECOMMENDED
    else:
        contexts = (TEXT_CONTEXT,)
    most = subject.shape.context
    if most:
        contexts = tuple(dict.fromkeys(min(tokens, most) for tokens in contexts))
        larger = larger if larger is not None and larger <= most else None
    step = None
    if phone and subject.vision:
        step = PhoneStep(image_tokens, PHONE_PROMPT_TOKENS, 0, PHONE_REPLY_TOKENS)
    filled = image_tokens + PHONE_PROMPT_TOKENS if step is not None else TEXT_CONTEXT_TOKENS
    return Need(wish, contexts, larger, step, min(filled, contexts[0]))
