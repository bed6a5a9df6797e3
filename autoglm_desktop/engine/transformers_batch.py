"""Several text answers at once, by transformers' continuous batching: who takes part, and what comes of it.

transformers runs the model in a thread of its own and mixes all answers into each forward: one may join or leave at
every token. Its paged cache holds the plan's cells, which the answers share; an answer that finds none waits there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core import protocol
from . import transformers_load as loading
from .channel import Channel
from .stops import StopFilter
from .transformers_failures import first_paragraph, kind_of
from .transformers_prompt import Key, Prompt
from .transformers_sampling import Sampler

Ended = Callable[[], None]


@dataclass
class Answer:
    """One answer on its way. All fields change under the batch's lock."""

    request: protocol.Generate
    made: Prompt
    begun: float
    limit: int
    sampler: Sampler
    stops: StopFilter
    cached: int = 0
    tokens: list[int] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0

    def usage(self) -> protocol.Usage:
        made = self.made
        return protocol.Usage(
            len(made.tokens), len(self.tokens), self.cached, made.dropped, made.image_tokens
        )

    def timings(self) -> protocol.Timings:
        if not self.tokens:
            return protocol.Timings()
        waited, count = self.first - self.begun, len(self.tokens)
        fresh = len(self.made.tokens) - self.cached
        took = self.last - self.first
        return protocol.Timings(
            first_token_s=waited,
            prompt_tokens_per_s=fresh / waited if waited > 0 else None,
            tokens_per_s=(count - 1) / took if count > 1 and took > 0 else None,
        )


class Batch:
    """``ended`` is called after each answer's last event. Everything that ends an answer says so on the channel.
    ``change`` is held by whoever looks at the answers, or asks the tokenizer."""

    def __init__(
        self, loaded: loading.Loaded, width: int, ends: frozenset[int], channel: Channel, ended: Ended
    ) -> None:
        """Raises what transformers raises where it can't batch this model here."""
        self._loaded, self._ends, self._channel, self._ended = loaded, ends, channel, ended
        self._answers: dict[str, Answer] = {}
        self.change = threading.Condition(threading.RLock())
        self.standing: deque[tuple[Key, ...]] = deque(maxlen=width)  # the last answers, the newest first
        from .transformers_paged import Paged  # where another transformers has it elsewhere, none is made

        self._paged = Paged(loaded, width, self)

    @property
    def alive(self) -> bool:
        """Whether it takes answers; a forward that failed ended it with all its answers."""
        return self._paged.alive

    def add(self, request: protocol.Generate, made: Prompt, begun: float) -> None:
        """Begin an answer beside those that run."""
        sampling, room = request.sampling, self._loaded.context - len(made.tokens)
        sampler = Sampler(sampling, self._loaded.device, made.begun.tokens)
        limit = min(sampling.max_tokens, room)
        answer = Answer(request, made, begun, limit, sampler, StopFilter(sampling.stop))
        with self.change:
            self._answers[request.id] = answer
            if self._channel.is_cancelled(request.id) or limit < 1:
                self._done(answer, "length" if limit < 1 else "cancelled")
            elif not self._paged.add(request.id, made.tokens, limit, self._ends):
                self.failed(request.id, RuntimeError("the batch has ended"))

    def cancel(self, request: str) -> None:
        """End an answer; its cells are free before the next forward."""
        with self.change:
            answer = self._answers.get(request)
            if answer is not None:
                self._paged.cancel(request)
                self._say(answer, answer.stops.rest())
                self._done(answer, "cancelled")
            self.change.notify_all()

    def drain(self) -> None:
        """Wait until nothing runs."""
        with self.change:
            self.change.wait_for(lambda: not self._answers)

    def close(self) -> None:
        """End the thread and free the cells. Only when drained, or when nobody waits for an answer any more."""
        self._paged.close()

    # What the model's thread calls

    def matched(self, request: str, tokens: int) -> None:
        """So much of a prompt stood in the cache."""
        with self.change:
            answer = self._answers.get(request)
            if (
                answer is not None and not answer.tokens
            ):  # else its cells were taken back, and it is read anew
                answer.cached = tokens

    def choose(self, request: str, logits: Any) -> int | None:
        """The next token of an answer; None leaves the likeliest. An error ends this answer alone."""
        answer = self._answers.get(request)
        if answer is None or answer.sampler.plain:
            return None
        try:
            return answer.sampler.choose(logits)
        except Exception as error:  # noqa: BLE001 - told with its kind; the others go on
            self._failed(request, error, "unsupported")
            return None

    def came(self, request: str, tokens: Sequence[int]) -> None:
        """All tokens of an answer until now."""
        with self.change:
            answer = self._answers.get(request)
            if answer is None:
                return
            try:
                for token in tokens[len(answer.tokens) :]:
                    self._one(answer, token)
                    if request not in self._answers:
                        self._paged.cancel(request)
                        return
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(request, error, "unsupported")

    def failed(self, request: str, error: Exception) -> None:
        """A forward failed, and with it each of its answers."""
        self._failed(request, error, "crashed")

    def _failed(self, request: str, error: Exception, otherwise: str) -> None:
        """End an answer with an error; ``otherwise``: its kind where nothing known is wrong ("unsupported" means this
        answer alone)."""
        logging.getLogger(__name__).warning("%s", error, exc_info=error)
        with self.change:
            answer = self._answers.pop(request, None)
            if answer is None:
                return
            self._paged.cancel(request)
            message = f"{type(error).__name__}: {first_paragraph(str(error))}"
            self._leave(protocol.Failed(kind_of(error) or otherwise, message, request))

    def _one(self, answer: Answer, token: int) -> None:
        now = time.perf_counter()
        if token in self._ends:
            self._say(answer, answer.stops.rest())
            self._done(answer, "stop")
            return
        answer.tokens.append(token)
        answer.last, answer.first = now, answer.first or now
        text, stopped = answer.stops.feed(answer.made.begun.speller.feed(token))
        self._say(answer, text)
        if stopped:
            self._done(answer, "stop")
        elif len(answer.tokens) >= answer.limit:
            self._say(answer, answer.stops.rest())
            self._done(answer, "length")

    def _say(self, answer: Answer, text: str) -> None:
        if text:
            self._channel.emit(protocol.Delta(answer.request.id, text, len(answer.tokens)))

    def _done(self, answer: Answer, reason: str) -> None:
        request = answer.request.id
        del self._answers[request]
        self.standing.appendleft((*answer.made.keys, *answer.tokens))
        self._leave(protocol.Done(request, answer.usage(), answer.timings(), reason))

    def _leave(self, last: protocol.Done | protocol.Failed) -> None:
        self._channel.forget(last.id or "")
        self._channel.emit(last)
        self._ended()
        self.change.notify_all()
