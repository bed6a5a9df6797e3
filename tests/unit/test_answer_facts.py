"""What is kept of an answer beside its words: counts that are counts, seconds of thinking, who answered."""

import pytest

from autoglm_desktop.core.protocol import Delta, Done, Timings, Usage
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.store.conversations import Conversations, Facts, StoredMessage
from autoglm_desktop.usecases.answer_writer import Writer, added_up
from autoglm_desktop.usecases.remote_tally import RemoteDone
from tests.fakes.made_answers import MadeSession, with_archive

DONE = Done("r", Usage(10, 4), Timings(0.5, None, 20.0), "stop")


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def remote():
    made = MadeSession([])
    made.endpoint, made.state = Endpoint("e1", "desk", "http://127.0.0.1:1/v1", "some-model"), None
    return made


def written(tmp_path, pieces, end, answerer=None, before=None):
    """The answer as it is kept. ``end``: an event, or a reason."""

    async def work(archive):
        talk = await archive.run(Conversations.create, "t")
        answer = await archive.run(Conversations.append, talk.id, "assistant", before.text if before else "")
        if before is not None:
            before_ = StoredMessage(
                answer.id, talk.id, "assistant", before.text, answer.created, before.facts
            )
        writer = Writer(archive, answer, before_ if before is not None else None, Clock())
        writer.answerer = answerer or MadeSession([])
        for count, piece in enumerate(pieces, 1):
            writer.add(Delta("r", piece, count))
        if isinstance(end, Done):
            writer.done(end)
        else:
            writer.end(end)
        await writer.close()
        return await archive.run(Conversations.message, answer.id)

    return with_archive(tmp_path / "c.sqlite3", work)


@pytest.mark.parametrize(
    ("done", "tokens", "prompt"),
    [
        (RemoteDone("r", Usage(10, 4), Timings(), "stop", counted=True), 4, 10),
        (RemoteDone("r", Usage(0, 4), Timings(), "stop", counted=True), 4, None),
        (RemoteDone("r", Usage(0, 7), Timings(), "stop", counted=False), None, None),
    ],
)
def test_what_a_server_does_not_count_is_unknown(tmp_path, done, tokens, prompt):
    facts = written(tmp_path, ["a", "b"], done, remote()).facts
    assert (facts.tokens, facts.prompt_tokens, facts.endpoint) == (tokens, prompt, "desk")


def test_the_pieces_of_a_server_that_broke_off_are_no_tokens(tmp_path):
    answer = written(tmp_path, ["a", "b"], "failed", remote())
    assert (answer.text, answer.facts.tokens, answer.facts.model) == ("ab", None, "some-model")


def test_the_tokens_of_an_engine_that_died_are(tmp_path):
    assert written(tmp_path, ["a", "b"], "failed").facts.tokens == 2


THOUGHT = ["<think>", "why", " so", "</think>", "Answer"]


@pytest.mark.parametrize(
    ("pieces", "seconds"),
    [
        (THOUGHT, 3.0),  # from the piece with its first mark to the one with its last
        (["Answer"], None),
        (["<think>why</think>Answer"], None),  # in one piece: nobody knows
        (["well", " so", "</think>", "Answer"], 2.0),  # a template that began the thinking
        (["<think>", "why", " so"], 3.0),  # cut off: until its end
    ],
)
def test_the_seconds_of_thinking(tmp_path, pieces, seconds):
    assert written(tmp_path, pieces, DONE).facts.thinking_s == seconds


def test_thinking_that_is_written_on_counts_further(tmp_path):
    before = StoredMessage(0, 0, "assistant", "<think>why", 0.0, Facts(tokens=3, thinking_s=7.0))
    answer = written(tmp_path, [" so", "</think>", "Yes"], DONE, before=before)
    assert answer.text == "<think>why so</think>Yes"
    assert answer.facts.thinking_s == 7.0 + 1.0, "since the first new word"


def test_thinking_that_had_ended_stays_as_it_was(tmp_path):
    before = StoredMessage(0, 0, "assistant", "<think>why</think>So ", 0.0, Facts(tokens=3, thinking_s=7.0))
    assert written(tmp_path, ["it ", "is"], DONE, before=before).facts.thinking_s == 7.0


@pytest.mark.parametrize(
    ("before", "last", "tokens", "prompt"),
    [
        (Facts(tokens=5), Facts(tokens=3, prompt_tokens=25), 8, 20),
        (Facts(), Facts(tokens=3, prompt_tokens=25), None, None),
        (Facts(tokens=5), Facts(), None, None),
        (Facts(tokens=9), Facts(tokens=1, prompt_tokens=4), 10, None),  # old turns were dropped meanwhile
    ],
)
def test_counts_of_two_runs(before, last, tokens, prompt):
    found = added_up(before, last)
    assert (found.tokens, found.prompt_tokens) == (tokens, prompt)


@pytest.mark.parametrize(
    ("last", "speed"),
    [(Facts(tokens=3, tokens_per_s=4.0), 4.0), (Facts(tokens=0), 9.0), (Facts(tokens=3), None)],
)
def test_the_speed_is_that_of_the_last_run_that_said_anything(last, speed):
    assert added_up(Facts(tokens=5, tokens_per_s=9.0), last).tokens_per_s == speed
