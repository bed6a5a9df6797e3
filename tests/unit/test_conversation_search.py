"""Full-text search: Chinese words of two characters, words as they are typed, nothing in a query is syntax."""

import sqlite3

import pytest

from autoglm_desktop.core import search_text
from autoglm_desktop.store import conversation_search
from autoglm_desktop.store.conversation_search import search
from autoglm_desktop.store.conversations import Conversations, Facts


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.sqlite3"


@pytest.fixture(params=["index", "no FTS5"])
def store(path, request, monkeypatch):
    if request.param == "no FTS5":
        monkeypatch.setattr(conversation_search, "prepare", lambda _database, **_more: False)
    made = Conversations(path)
    made.open()
    assert made.searchable is (request.param == "index")
    yield made
    made.close()


def fill(store, *texts, title="t"):
    talk = store.create(title)
    return talk, [store.append(talk.id, "user", text) for text in texts]


def texts(found):
    return sorted(hit.snippet for hit in found.hits)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("设置", ["打开手机设置", "设置"]),
        ("手机设置", ["打开手机设置"]),
        ("置", ["打开手机设置", "设置"]),
        ("打", ["打开手机设置"]),
        ("手置", []),
        ("设置 手机", ["打开手机设置"]),
        ("微信", ["用微信WeChat发消息", "看微信"]),
        ("wechat", ["用微信WeChat发消息"]),
        ("wech", ["用微信WeChat发消息"]),
        ("微信 wechat", ["用微信WeChat发消息"]),
        ("ひらがな", ["ひらがなとカタカナ"]),
        ("설정", ["설정을 열어"]),
        ("zürich", ["Der Weg nach Zürich"]),
        ("nothing", []),
        ("", []),
        ("  ？！ ", []),
    ],
)
def test_what_is_found(store, query, wanted):
    fill(store, "打开手机设置", "设置", "用微信WeChat发消息", "看微信", "ひらがなとカタカナ", "설정을 열어")
    fill(store, "Der Weg nach Zürich", "other")
    assert texts(search(store, query)) == sorted(wanted)


@pytest.mark.parametrize("query", ["zurich", "ZÜRICH", "ｚurich"])
def test_diacritics_case_and_width_do_not_matter(path, query):
    store = Conversations(path)
    store.open()
    fill(store, "Der Weg nach Zürich")
    assert texts(search(store, query)) == ["Der Weg nach Zürich"]
    store.close()


@pytest.mark.parametrize(
    "query",
    ['"', 'a" OR "b', "a*", "NEAR(a b)", "text:a", "-a", "a AND", "(", "^a", "%", "_", "\\", "a%b", "'; DROP",
        "\x00", "🙂",
    ],
)  # fmt: skip
def test_nothing_in_a_query_is_syntax(store, query):
    fill(store, "xyz", "b c d")
    found = search(store, query)
    assert found.hits == (), "an a would have to be there"
    assert len(store.all()) == 1


def test_the_place_of_a_hit_is_told():
    text = "一些\n文字。" * 30 + "在这里打开手机设置，" + "然后继续。" * 100
    snippet, begin, end = search_text.snippet(text, "手机设置")
    assert snippet[begin:end] == "手机设置" and len(snippet) <= search_text.SNIPPET_LENGTH
    assert "\n" not in snippet
    snippet, begin, end = search_text.snippet("Straße ﬁne ZÜRICH", "zurich")
    assert snippet[begin:end] == "ZÜRICH"
    snippet, begin, end = search_text.snippet("ﬁne", "fin")
    assert snippet[begin:end] == "ﬁn"
    assert search_text.snippet("abc", "x") == ("abc", 0, 0)


def test_a_pasted_file_holds_nothing_up(path):
    store = Conversations(path)
    store.open()
    _talk, (message,) = fill(store, "begin 开头 " + "x" * search_text.MOST_INDEXED + " 结尾")
    assert [hit.message for hit in search(store, "开头").hits] == [message.id]
    assert search(store, "结尾").hits == ()
    store.purge(store.delete(1))
    assert store.rows("SELECT count(*) FROM search") == [(0,)]
    store.close()


def test_hits_name_conversation_and_message(store):
    talk, (message,) = fill(store, "where is it", title="标题 title")
    (hit,) = search(store, "where").hits
    assert (hit.conversation, hit.title, hit.message, hit.role) == (talk.id, "标题 title", message.id, "user")
    (hit,) = search(store, "标题").hits
    assert (hit.message, hit.snippet[hit.begin : hit.end]) == (None, "标题")


def test_what_is_deleted_is_not_found_and_comes_back(store):
    talk, (first, second) = fill(store, "word one", "word two")
    deletion = store.delete_from(talk.id, second.id)
    assert texts(search(store, "word")) == ["word one"]
    store.undo(deletion)
    assert texts(search(store, "word")) == ["word one", "word two"]
    whole = store.delete(talk.id)
    assert search(store, "word").hits == ()
    store.purge(whole)
    fill(store, "another thing")
    assert search(store, "word").hits == (), "the same id, another text"
    assert first.id == store.rows("SELECT id FROM messages")[0][0]


def test_an_answer_is_found_when_it_is_finished(store):
    talk = store.create("t")
    answer = store.append(talk.id, "assistant", "")
    store.update_text(answer.id, "half of the")
    assert search(store, "nothing").complete
    store.finish(answer.id, "half of the answer", "stop", Facts())
    assert texts(search(store, "answer")) == ["half of the answer"]
    store.update_text(answer.id, "now it goes on")
    store.finish(answer.id, "now it goes on", "stop", Facts())
    assert search(store, "answer").hits == () and texts(search(store, "goes")) == ["now it goes on"]


def test_best_first_and_many(path, monkeypatch):
    monkeypatch.setattr(conversation_search, "CANDIDATES", 5)
    store = Conversations(path)
    store.open()
    fill(store, "cat and a lot of other words that say nothing", "cat cat cat")
    assert search(store, "cat").hits[0].snippet == "cat cat cat"
    _talk, messages = fill(store, *(f"cat {number}" for number in range(8)))
    found = search(store, "cat", 3)
    assert [hit.message for hit in found.hits] == [m.id for m in messages[:-4:-1]], (
        "too many to rank: the newest"
    )
    assert found.more and len(found.hits) == 3
    store.close()


def test_what_was_left_unfinished_is_indexed_later(path):
    store = Conversations(path)
    store.open()
    talk, _messages = fill(store, "question")
    answer = store.append(talk.id, "assistant", "")
    store.update_text(answer.id, "half an 答案")
    store.close()
    again = Conversations(path)
    again.open()
    assert not search(again, "答案").complete
    while not conversation_search.index_some(again, 1):
        pass
    found = search(again, "答案")
    assert found.complete and texts(found) == ["half an 答案"]
    again.close()


def test_an_index_of_another_version_is_made_anew(path, monkeypatch):
    store = Conversations(path)
    store.open()
    fill(store, "some words")
    store.close()
    monkeypatch.setattr(search_text, "VERSION", 99)
    again = Conversations(path)
    again.open()
    assert conversation_search.index_some(again)
    assert texts(search(again, "words")) == ["some words"]
    again.close()


def test_what_changed_without_fts5_is_indexed_by_who_has_it(path, monkeypatch):
    store = Conversations(path)
    store.open()
    _talk, (message,) = fill(store, "old text")
    store.close()

    class NoFts5:
        """A connection of an SQLite without FTS5."""

        def __init__(self, real):
            self._real = real

        def __getattr__(self, name):
            return getattr(self._real, name)

        def execute(self, statement, *values):
            if "FROM search " in statement or "USING fts5" in statement:
                raise sqlite3.OperationalError("no such module: fts5")
            return self._real.execute(statement, *values)

    real = conversation_search.prepare
    with monkeypatch.context() as patch:
        patch.setattr(conversation_search, "prepare", lambda database, **_more: real(NoFts5(database)))
        without = Conversations(path)
        without.open()
        assert not without.searchable
        assert texts(search(without, "old")) == ["old text"]
        without.update_text(message.id, "new text")
        without.finish(message.id, "new text", "stop", Facts())
        without.close()
    again = Conversations(path)
    again.open()
    assert conversation_search.index_some(again)
    assert search(again, "old").hits == () and texts(search(again, "new")) == ["new text"]
    again.close()


def test_a_damaged_index_loses_no_message_and_is_made_anew(path):
    store = Conversations(path)
    store.open()
    talk, _messages = fill(store, "some words")
    with store.change() as database:
        database.execute("DELETE FROM search_data")
    store.append(talk.id, "user", "more words")
    assert [m.text for m in store.messages(talk.id)] == ["some words", "more words"]
    with store.change() as database:
        database.execute("DROP TABLE search_data")
    assert texts(search(store, "words")) == ["more words", "some words"], "read instead"
    while not conversation_search.index_some(store):
        pass
    assert store.searchable and texts(search(store, "words")) == ["more words", "some words"]
    store.close()
