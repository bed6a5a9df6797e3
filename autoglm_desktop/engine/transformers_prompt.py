"""A conversation as the tokens of a transformers model: its chat template, its pictures, its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core import protocol
from . import prompt
from .continuing import Begun, Reader
from .server import JobFailed
from .transformers_pictures import Picture, PictureReader
from .transformers_words import Words

GLM4_TYPES = ("glm4", "glm4v")
Key = int | tuple[str, int]


@dataclass(frozen=True)
class Prompt:
    """``tokens`` with each picture's placeholders; ``keys``: what the prompt cache compares, a picture's tokens by
    its content; ``spans``: where each picture's tokens begin. ``dropped``: messages left out. ``begun``: the
    answer that is continued, whose tokens are the last."""

    tokens: tuple[int, ...]
    keys: tuple[Key, ...]
    pictures: tuple[Picture, ...]
    spans: tuple[int, ...]
    dropped: int
    begun: Begun

    @property
    def image_tokens(self) -> int:
        return sum(isinstance(key, tuple) for key in self.keys)


class PromptMaker:
    """Makes prompts for one loaded model."""

    def __init__(
        self,
        tokenizer: Any,
        model_type: str,
        pictures: PictureReader | None,
        ends: frozenset[int] = frozenset(),
    ) -> None:
        self._tokenizer = tokenizer
        self._pictures = pictures
        self._control = control_tokens(tokenizer)
        self._beginning = beginning(tokenizer)
        self._read_pictures: dict[int, Picture] = {}
        self._answers = Reader(self._tokenised, lambda: Words(tokenizer), ends.__contains__)
        source = tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("default") or next(iter(source.values()), None)
        if not source:
            if model_type not in GLM4_TYPES:
                raise JobFailed("bad_file", "no_chat_template: the folder holds no chat template")
            source = prompt.GLM4_TEMPLATE
        special = {name: getattr(tokenizer, name, None) or "" for name in ("bos_token", "eos_token")}
        self._template = prompt.Template(source, special)

    def fit(self, request: protocol.Generate, cells: int, *standing: Sequence[Key]) -> Prompt:
        """The prompt; whole oldest turns are dropped until a reply has room. ``standing``: what the prompt cache holds,
        and the last token said; of a batch, each of the last answers with its prompt.

        Raises JobFailed(unsupported).
        """
        if request.sampling.json_schema is not None:
            text = f"{protocol.NO_GRAMMAR}: transformers can't hold an answer to a JSON schema"
            raise JobFailed("unsupported", text)
        raw = prompt.raw_text(request.messages)
        if raw is not None:
            return self._checked(self._raw(raw), cells)
        self._read_pictures.clear()
        cuts = prompt.cuts(request.messages)
        wanted = prompt.reply_room(cells, request.sampling.max_tokens)

        def made_of(number: int) -> Prompt:
            return self._make(cuts[number], len(request.messages) - len(cuts[number]), *standing)

        def fits(number: int) -> bool:
            return len(made_of(number).tokens) + wanted <= cells

        made = made_of(0)
        if len(made.tokens) + wanted > cells and len(cuts) > 1:
            made = made_of(prompt.fewest(range(1, len(cuts)), fits))
        return self._checked(made, cells)

    def _checked(self, made: Prompt, cells: int) -> Prompt:
        if not made.tokens:
            raise JobFailed("unsupported", "the chat template made an empty prompt of the messages")
        if len(made.tokens) < cells:
            return made
        raise JobFailed(
            "unsupported", f"context_full: {len(made.tokens)} prompt tokens, {cells} in the context"
        )

    def _raw(self, text: str) -> Prompt:
        """A text as it stands: control tokens in it are text."""
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        tokens = (*self._beginning, *found)
        return Prompt(tokens, tokens, (), (), 0, self._answers.nothing())

    def _make(self, messages: Sequence[protocol.Message], dropped: int, *standing: Sequence[Key]) -> Prompt:
        answer = prompt.begun_answer(messages, self._control)
        asked, opening = self._asked(messages if answer is None else messages[:-1])
        if not answer:
            return replace(asked, dropped=dropped)
        count = len(asked.keys)
        behind = [tokens[count:] for tokens in standing if tuple(tokens[:count]) == asked.keys]
        begun = self._answers.read(answer, opening, *behind)
        tokens, keys = asked.tokens + begun.tokens, asked.keys + begun.tokens
        return replace(asked, tokens=tokens, keys=keys, dropped=dropped, begun=begun)

    def _asked(self, messages: Sequence[protocol.Message]) -> tuple[Prompt, str]:
        """The prompt of whole messages, and its text behind the last picture."""
        parts: list[prompt.Part] = []
        text = self._template.render([prompt.flatten(message, self._control, parts) for message in messages])
        pieces, numbers = prompt.split_at_pictures(text)
        if numbers and self._pictures is None:
            raise JobFailed("unsupported", "no_vision: this model takes no pictures")
        if sorted(numbers) != list(range(len(parts))):
            raise JobFailed("unsupported", "chat template: it leaves out or repeats a picture")
        ids = self._tokenised(pieces[0])
        keys: list[Key] = list(ids)
        pictures: list[Picture] = []
        spans: list[int] = []
        for number, piece in zip(numbers, pieces[1:], strict=True):
            assert self._pictures is not None
            picture, reader = self._read(parts[number]), self._pictures
            count, after = reader.tokens(picture), self._tokenised(piece)
            pictures.append(picture)
            spans.append(len(ids) + 1)
            ids += [reader.begin, *[reader.token] * count, reader.end, *after]
            keys += [reader.begin, *((picture.key, index) for index in range(count)), reader.end, *after]
        begun = self._answers.nothing()
        return Prompt(tuple(ids), tuple(keys), tuple(pictures), tuple(spans), 0, begun), pieces[-1]

    def _tokenised(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def _read(self, part: prompt.Part) -> Picture:
        """A picture, read once while a prompt is fitted to the context."""
        assert self._pictures is not None
        known = self._read_pictures.get(id(part))
        if known is None:
            known = self._read_pictures[id(part)] = self._pictures.read(part)
        return known


def beginning(tokenizer: Any) -> tuple[int, ...]:
    """The token that the tokenizer writes before every text by itself, where it does."""
    bos = tokenizer.bos_token_id
    if bos is None:
        return ()
    return (bos,) if tokenizer("a")["input_ids"][:1] == [bos] else ()


def control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The tokenizer's control tokens: text that users write must not become one."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return tuple(sorted({name for name in [*added, *tokenizer.all_special_tokens] if len(name) > 2}))
