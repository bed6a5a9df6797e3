"""Training by the clock: what fits into the minutes given, with the learning rate falling to nothing at their end."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from . import model as models
from .corpus import Corpus, Question
from .data import Maker, Speaker, tensors
from .settings import LANGUAGES, OUTSIDE, Shape, Training

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
PROGRESS_SECONDS = 20.0
ROWS = 64
"""Of a batch of validation questions."""


class OtherTraining(ValueError):
    """A checkpoint of another corpus, shape or recipe."""


@dataclass(frozen=True)
class Found:
    """Shares of the validation questions whose answer is decided right, by language, and of what is out of scope."""

    en: float
    zh: float
    refused: float

    @property
    def score(self) -> float:
        return 0.4 * self.en + 0.4 * self.zh + 0.2 * self.refused


@dataclass
class State:
    """``seconds``: of training so far, pauses between runs not counted; ``unbetter``: validations since the best."""

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    unbetter: int = 0
    tokens: int = 0


class Trainer:
    """``run`` trains until the time is over and leaves the best averaged weights in ``work``/best.pt. Interrupted, it
    goes on at the last checkpoint; one of another corpus, shape or recipe is refused (OtherTraining)."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        shape: Shape,
        training: Training,
        work: Path,
        *,
        ends: Sequence[int],
        prompts: Sequence[str] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        self._now = training
        self._clock = clock
        self._work = work
        self._mark = {
            "corpus": corpus.digest(),
            "tokenizer": hashlib.sha256(tokenizer.to_str().encode()).hexdigest()[:16],
            "shape": asdict(shape),
            "recipe": {key: value for key, value in asdict(training).items() if key not in FREE},
        }
        self.state = State()
        self._model = models.build(shape, ends)
        self._trained = models.Trained(self._model, training.dropout)
        self._average = [parameter.detach().clone() for parameter in self._model.parameters()]
        self._optimiser = _optimiser(self._model, training)
        self._maker = Maker(corpus, tokenizer, training, prompts)
        self._validation = Validation(corpus.validation, Speaker(tokenizer, corpus))
        # Conversations run uncompiled: measured, compiling made these batches slower (README).
        self._fast = torch.compile(self._trained, dynamic=False) if training.compiled else self._trained

    def run(self) -> None:
        """Interrupted by Ctrl-C it keeps what it has and raises KeyboardInterrupt again."""
        self._resume()
        try:
            self._loop()
        except KeyboardInterrupt:
            self._save()
            raise
        self.validate()
        self._save()

    def _loop(self) -> None:
        now, state = self._now, self.state
        said = saved = validated = begun = self._clock()
        before, tokens = state.seconds, 0
        losses: list[float] = []
        self._trained.train()
        while state.seconds < now.minutes * 60 and state.unbetter < now.patience:
            losses.append(self._one_step())
            tokens += now.rows * now.length
            clock = self._clock()
            state.seconds = before + clock - begun
            if clock - said > PROGRESS_SECONDS:
                self._tell(losses, tokens / (clock - said))
                said, tokens, losses = clock, 0, []
            if clock - validated > now.validate_minutes * 60:
                self.validate()
                said = validated = self._clock()
                tokens = 0
            if clock - saved > now.checkpoint_minutes * 60:
                self._save()
                saved = self._clock()

    def _one_step(self) -> float:
        now, state = self._now, self.state
        batch = self._maker.batch(state.step)
        torch.manual_seed(now.seed + state.step)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        step = self._fast if batch.ids.shape[1] == now.length else self._trained
        with torch.autocast("cpu", torch.bfloat16, enabled=now.bf16):
            loss = step(*tensors(batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), now.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._averaged()
        state.step += 1
        state.tokens += batch.ids.size
        return float(loss.item())

    def validate(self) -> Found:
        """With the averaged weights; these are kept where they are the best so far, or as good."""
        with self._as_average():
            found = self._validation.score(self._trained)
            if found.score >= self.state.best:
                _put_file(self._model.state_dict(), self._work / BEST)
        better = found.score > self.state.best
        self.state.unbetter = 0 if better else self.state.unbetter + 1
        self.state.best = max(self.state.best, found.score)
        print(
            f"  validation at step {self.state.step}: decided right en {found.en:.1%}, zh {found.zh:.1%}, "
            f"out of scope refused {found.refused:.1%}",
            flush=True,
        )
        return found

    def _rate(self) -> float:
        """Rises over the first steps, then falls by a cosine over the minutes."""
        rising = min(1.0, (self.state.step + 1) / self._now.warm_up_steps)
        done = min(1.0, self.state.seconds / (self._now.minutes * 60))
        falling = self._now.last_share + (1 - self._now.last_share) * 0.5 * (1 + math.cos(math.pi * done))
        return self._now.learning_rate * rising * falling

    def _averaged(self) -> None:
        share = min(self._now.average, (1 + self.state.step) / (10 + self.state.step))
        values = [parameter.detach() for parameter in self._model.parameters()]
        torch._foreach_lerp_(self._average, values, 1 - share)

    @contextlib.contextmanager
    def _as_average(self) -> Iterator[None]:
        mine = [parameter.detach().clone() for parameter in self._model.parameters()]
        self._put(self._average)
        self._trained.eval()
        try:
            yield
        finally:
            self._put(mine)
            self._trained.train()

    def _put(self, values: Sequence[Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._model.parameters(), values, strict=True):
                parameter.copy_(value)

    def _tell(self, losses: Sequence[float], speed: float) -> None:
        state = self.state
        print(
            f"  {state.seconds / 60:5.1f} of {self._now.minutes:g} min, step {state.step}, "
            f"loss {sum(losses) / max(1, len(losses)):.3f}, rate {self._rate():.2e}, {speed:,.0f} tokens/s",
            flush=True,
        )

    def _save(self) -> None:
        _put_file(
            {
                "mark": self._mark,
                "state": asdict(self.state),
                "model": self._model.state_dict(),
                "average": self._average,
                "optimiser": self._optimiser.state_dict(),
            },
            self._work / CHECKPOINT,
        )

    def _resume(self) -> None:
        path = self._work / CHECKPOINT
        if not path.is_file():
            return
        kept = torch.load(path, weights_only=True)
        _demand_same(kept["mark"], self._mark, path)
        self.state = State(**kept["state"])
        self._model.load_state_dict(kept["model"])
        self._average = kept["average"]
        self._optimiser.load_state_dict(kept["optimiser"])
        print(f"  going on at step {self.state.step}, {self.state.seconds / 60:.1f} min in", flush=True)


def _put_file(values: Any, path: Path) -> None:
    """Whole or not at all: Ctrl-C may come between."""
    part = path.with_name(f"{path.name}.part")
    torch.save(values, part)
    part.replace(path)


FREE = frozenset({"minutes", "threads", "compiled", "checkpoint_minutes", "validate_minutes", "patience"})
"""What may differ when training goes on."""


def _demand_same(there: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    for key, value in wanted.items():
        same = list(value.items()) if isinstance(value, dict) else value
        kept = there.get(key)
        if repr(list(kept.items()) if isinstance(kept, dict) else kept) != repr(same):
            raise OtherTraining(f"{path} was made with another {key}; delete it to begin anew")


def _optimiser(model: Any, training: Training) -> Any:
    """Norms and biases don't decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=training.betas, fused=True)


class Validation:
    """Questions as they stand, with the tokens that decide their answer: right where each was the likeliest."""

    def __init__(self, questions: Sequence[Question], speaker: Speaker) -> None:
        items = []
        for question in questions:
            key = (question.answer, question.language)
            prompt = speaker.prompt(question.text)
            items.append((question, prompt, speaker.answers[key][: speaker.decided[key]]))
        self._items = sorted(items, key=lambda item: len(item[1]) + len(item[2]))

    def score(self, trained: models.Trained) -> Found:
        right: dict[str, list[bool]] = {}
        for first in range(0, len(self._items), ROWS):
            part = self._items[first : first + ROWS]
            for (question, _, _), decided in zip(part, _decided(trained, part), strict=True):
                kind = OUTSIDE if question.answer == OUTSIDE else question.language
                right.setdefault(kind, []).append(decided)
        shares = {kind: sum(values) / len(values) for kind, values in right.items()}
        return Found(**{kind: shares.get(kind, 0.0) for kind in LANGUAGES}, refused=shares.get(OUTSIDE, 0.0))


@torch.inference_mode()
def _decided(trained: models.Trained, part: Sequence[tuple[Question, list[int], list[int]]]) -> list[bool]:
    """Rows are filled up at their ends, which a causal model does not see."""
    length = max(len(prompt) + len(answer) for _, prompt, answer in part)
    ids = torch.zeros(len(part), length, dtype=torch.long)
    for row, (_, prompt, answer) in enumerate(part):
        ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
    positions = torch.arange(length).expand(len(part), length)
    likeliest = trained.model.lm_head(trained.hidden(ids, positions, torch.zeros_like(ids))).argmax(-1)
    return [
        likeliest[row, len(prompt) - 1 : len(prompt) + len(answer) - 1].tolist() == answer
        for row, (_, prompt, answer) in enumerate(part)
    ]
