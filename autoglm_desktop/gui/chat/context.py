"""What stands in the context before the question that is being written, and what the model that answers begins with.
Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from ...core import sampling_defaults
from ...core.catalog import Catalog
from ...core.context_use import ContextUse, Counted, context_use
from ...core.conversation import ConversationSettings
from ...core.errors import AppError
from ...core.pictures import MOST_TOKENS, room_left, shown_size
from ...core.protocol import Sampling
from ...core.remote import Endpoint
from ...store.conversations import Picture, StoredMessage
from ...usecases import pictures
from ...usecases.session import SessionState


def defaults(
    settings: ConversationSettings, endpoint: Endpoint | None, state: SessionState, catalog: Catalog
) -> Sampling:
    """The sampling of the model that answers, where the conversation sets nothing else."""
    if endpoint is not None:
        return sampling_defaults.defaults(settings.model or endpoint.model or None, catalog)
    return sampling_defaults.defaults(state.target.model if state.target is not None else None, catalog)


def before(
    state: SessionState,
    settings: ConversationSettings,
    endpoint: Endpoint | None,
    messages: Sequence[StoredMessage],
    sampling: Sampling,
) -> ContextUse:
    """The system prompt, the transcript with its pictures, and the room that the answer may take. What the engine
    counted for an answer of the same model is taken from there."""
    texts = [message.text for message in messages]
    shown = [picture_tokens(picture) for message in messages for picture in message.pictures]
    size = _context(state) if endpoint is None else None
    counted = _counted(state, endpoint, messages)
    return context_use(size, settings.system, texts, shown, "", (), sampling.max_tokens, counted)


def room(state: SessionState, endpoint: Endpoint | None, prompt: str, sampling: Sampling) -> int | None:
    """Tokens that all pictures of one question may take, as ``usecases.chat_pictures`` shares them; None: not known, or
    none can be looked at. ``prompt``: the system prompt and the question."""
    if endpoint is not None:
        return None
    try:
        limits = pictures.limits_of(state)
    except AppError:
        return None
    return room_left(limits.context, prompt, sampling.max_tokens)


def picture_tokens(picture: Picture) -> int:
    """What a picture takes when it is shown; 0 for one that no model takes."""
    try:
        return shown_size(picture.width, picture.height, picture.most_tokens or MOST_TOKENS).tokens
    except AppError:
        return 0


def _context(state: SessionState) -> int | None:
    proven = state.proof.context if state.proof is not None else None
    return proven or (state.plan.context if state.plan is not None else None)


def _counted(
    state: SessionState, endpoint: Endpoint | None, messages: Sequence[StoredMessage]
) -> Counted | None:
    """Of the last answer that who answers now has counted."""
    model = state.target.name if state.target is not None else None
    for after, message in enumerate(reversed(messages)):
        facts = message.facts
        if message.role != "assistant" or facts.prompt_tokens is None or facts.tokens is None:
            continue
        if endpoint is None and (facts.endpoint is not None or facts.model != model):
            return None
        if endpoint is not None and facts.endpoint != endpoint.name:
            return None
        counted = messages[: len(messages) - after]
        shown = sum(picture_tokens(picture) for one in counted for picture in one.pictures)
        return Counted(facts.prompt_tokens + facts.tokens, after, shown)
    return None
