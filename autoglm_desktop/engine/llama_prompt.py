"""From a conversation to what llama.cpp evaluates, cut to the context by whole old turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core import protocol
from . import prompt
from .continuing import Begun, ByteSpeller, Reader
from .llama_pictures import Item, Picture, cells_of, read_part
from .llama_vocab import Vocabulary
from .server import JobFailed

FULL_AFTER_CUT = 0.75
"""Share of the context that a conversation fills at most when turns first have to go. Each cut costs one evaluation of
all that follows it; with a quarter free it comes once in several turns, not in each."""
WORTH_KEEPING = 0.125
"""Share of the context that has to stand there already for a cut to be made again: two beginnings share some words."""


@dataclass(frozen=True)
class Fitted:
    """A prompt that leaves room for an answer; ``dropped`` messages were left out. ``begun``: the answer that is
    continued, whose tokens are the last items."""

    items: list[Item]
    dropped: int
    begun: Begun


class PromptMaker:
    """Renders conversations of one loaded model. ``picture_ends``: None where the model sees no pictures."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        template: prompt.Template,
        cells: int,
        picture_ends: tuple[int, int] | None,
    ) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._cells = cells
        self._ends = picture_ends
        self._control_tokens = vocabulary.control_tokens()
        self._answers = Reader(vocabulary.tokens, lambda: ByteSpeller(vocabulary.piece), vocabulary.ends)
        self._cut = 0

    def fit(
        self,
        request: protocol.Generate,
        shared: Callable[[list[Item]], int],
        standing: Sequence[Item] = (),
    ) -> Fitted:
        """Whole oldest turns are dropped until a reply has room. ``shared``: first items of a prompt that stand in
        the context already; ``standing``: all that stands there, and the last token
        said. Raises JobFailed(unsupported)."""
        raw = prompt.raw_text(request.messages)
        if raw is not None:
            items = self._with_beginning(list(self._vocabulary.tokens(raw, control=False)))
            return self._checked(Fitted(items, 0, self._answers.nothing()))
        held = request.sampling.json_schema is not None
        read: dict[str, Picture] = {}
        room = self._cells - prompt.reply_room(self._cells, request.sampling.max_tokens)
        cuts = prompt.cuts(request.messages)

        def made(number: int) -> Fitted:
            return self._made(cuts[number], len(cuts[0]) - len(cuts[number]), read, standing, held)

        whole = made(0)
        if cells_of(whole.items) <= room or len(cuts) == 1:
            self._cut = 0
            return self._checked(whole)
        if (
            0 < self._cut < len(cuts)
        ):  # where turns had to go before, the same go again: what was evaluated counts
            again = made(self._cut)
            kept = cells_of(again.items[: shared(again.items)])
            if cells_of(again.items) <= room and kept > self._cells * WORTH_KEEPING:
                return self._checked(again)
        self._cut, fitted = self._new_cut(made, len(cuts), room)
        return self._checked(fitted)

    def _new_cut(self, made: Callable[[int], Fitted], cuts: int, room: int) -> tuple[int, Fitted]:
        """(turns dropped, prompt): as few as leave a quarter free; else as few as fit; else all that may go."""
        tried: dict[int, Fitted] = {}

        def cells(number: int) -> int:
            if number not in tried:
                tried[number] = made(number)
            return cells_of(tried[number].items)

        number = prompt.fewest(range(1, cuts), lambda number: cells(number) <= self._cells * FULL_AFTER_CUT)
        if cells(number) > self._cells * FULL_AFTER_CUT:
            number = prompt.fewest(range(1, cuts), lambda number: cells(number) <= room)
        return number, tried[number]

    def _checked(self, fitted: Fitted) -> Fitted:
        items = fitted.items
        if cells_of(items) >= self._cells:
            text = f"context_full: {cells_of(items)} prompt tokens, {self._cells} in the context"
            raise JobFailed("unsupported", text)
        if not items:
            raise JobFailed("unsupported", "the chat template made an empty prompt of the messages")
        if isinstance(items[-1], Picture):
            raise JobFailed("unsupported", "chat template: the prompt ends with a picture")
        return fitted

    def _made(
        self,
        messages: tuple[protocol.Message, ...],
        dropped: int,
        read: dict[str, Picture],
        standing: Sequence[Item],
        held: bool = False,
    ) -> Fitted:
        answer = prompt.begun_answer(messages, self._control_tokens)
        text, pictures = self._rendered(messages if answer is None else messages[:-1], read)
        text = prompt.thinking_ended(text) if held else text
        items = self._tokenise(text, pictures)
        if not answer:
            return Fitted(items, dropped, self._answers.nothing())
        behind = standing[len(items) :] if list(standing[: len(items)]) == items else ()
        begun = self._answers.read(answer, prompt.split_at_pictures(text)[0][-1], behind)
        return Fitted([*items, *begun.tokens], dropped, begun)

    def _rendered(
        self, messages: tuple[protocol.Message, ...], read: dict[str, Picture]
    ) -> tuple[str, list[Picture]]:
        """The template's text and the pictures whose marks stand in it, each read once."""
        parts: list[prompt.Part] = []
        flat = [prompt.flatten(message, self._control_tokens, parts) for message in messages]
        if parts and self._ends is None:
            raise JobFailed("unsupported", "no_vision: the model was loaded without its vision part")
        pictures = []
        for part in parts:
            key = repr(part)
            if key not in read:
                read[key] = read_part(part)
            pictures.append(read[key])
        return self._template.render(flat), pictures

    def _tokenise(self, text: str, pictures: list[Picture]) -> list[Item]:
        texts, order = prompt.split_at_pictures(text)
        if sorted(order) != list(range(len(pictures))):
            raise JobFailed("unsupported", "chat template: it leaves out or repeats a picture")
        items: list[Item] = []
        for index, piece in enumerate(texts):
            items += self._vocabulary.tokens(piece)
            if index < len(order) and self._ends is not None:
                items += (self._ends[0], pictures[order[index]], self._ends[1])
        return self._with_beginning(items)

    def _with_beginning(self, items: list[Item]) -> list[Item]:
        bos = self._vocabulary.beginning()
        if bos is not None and items[:1] != [bos]:
            items.insert(0, bos)  # most templates write it themselves; some leave it to the tokenizer
        return items
