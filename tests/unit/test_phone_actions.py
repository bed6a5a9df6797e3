"""Phone actions: reading replies as the published agent splits them, places on pictures, words."""

import random

import pytest

from autoglm_desktop import i18n
from autoglm_desktop.core import phone_actions as actions
from autoglm_desktop.core.phone import TEMPLATE_TOKENS
from autoglm_desktop.core.phone_actions import MOST_REPLY, NAMES, Place, read_step
from autoglm_desktop.texts import phone_actions as texts
from autoglm_desktop.texts import reasons

READ = [
    ('do(action="Tap", element=[512,930])', actions.Tap(Place(512, 930))),
    ('do(action="Tap", element=(0, 999))', actions.Tap(Place(0, 999))),
    ("do(action='Tap', element=[1.0, 2.7])", actions.Tap(Place(1, 2))),
    (' do( action = "Tap" ,element=[1,2], message="pays 5" ) ', actions.Tap(Place(1, 2), "pays 5")),
    ('do(action="Double Tap", element=[1,2])', actions.DoubleTap(Place(1, 2))),
    ('do(action="Long Press", element=[1,2])', actions.LongPress(Place(1, 2))),
    ('do(action="Swipe", start=[500,800], end=[500,200])', actions.Swipe(Place(500, 800), Place(500, 200))),
    ('do(action="Type", text="hello")', actions.Type("hello")),
    ('do(action="Type_Name", text="小明")', actions.Type("小明")),
    ('do(action="Type", text="")', actions.Type("")),
    ('do(action="Type", text="say \\"yes\\", (now) [1]")', actions.Type('say "yes", (now) [1]')),
    ('do(action="Type", text="say "yes" now")', actions.Type('say "yes" now')),
    ('do(action="Type", text="a, b="c")', actions.Type('a, b="c')),
    ('do(action="Type", text="first\nsecond\\nthird\\\\n")', actions.Type("first\nsecond\nthird\\n")),
    ('do(action="Type", text="\\u4f60 \\x41 \\q")', actions.Type("你 A \\q")),
    ('do(action="Type", text="\\ud83d\\ude00 \\ud800")', actions.Type("😀 \ufffd")),
    ("do(action='Type', text='it\\'s')", actions.Type("it's")),
    ('do(action="Type", text="do(action=Tap)")', actions.Type("do(action=Tap)")),
    ('do(action="Launch", app="微信")', actions.Launch("微信")),
    ('do(action="Back")', actions.Back()),
    ('do(action="Home")', actions.Home()),
    ('do(action="Wait", duration="3 seconds")', actions.Wait(3)),
    ('do(action="Wait", duration=2)', actions.Wait(2)),
    ('do(action="Wait", duration="a while")', actions.Wait(None)),
    ('do(action="Wait")', actions.Wait(None)),
    ('do(action="Take_over", message="sign in")', actions.TakeOver("sign in")),
    ('do(action="Note", message="True")', actions.Note("True")),
    ('do(action="Call_API", instruction="sum it up")', actions.CallApi("sum it up")),
    ('do(action="Interact")', actions.Interact()),
    ('finish(message="done: "all" of it (1)")', actions.Finish('done: "all" of it (1)')),
    ('do(action="Shake", times=3, to=[1,2])', actions.Unknown("Shake", (("times", "3"), ("to", "[1, 2]")))),
]  # fmt: skip

REFUSED = [
    ("", "action_none"),
    ("hello", "action_none"),
    ("I would do it", "action_none"),
    ('tap(element=[1,2])', "action_none"),
    ('do(action="Tap")', "action_lacks"),
    ('do(action="Tap", element="1,2")', "action_lacks"),
    ('do(action="Tap", element=[1,2,3])', "action_lacks"),
    ('do(action="Swipe", start=[1,2])', "action_lacks"),
    ('do(action="Type")', "action_lacks"),
    ('do(action="Type", text=5)', "action_lacks"),
    ("do(action=5)", "action_lacks"),
    ("finish(message=True)", "action_lacks"),
    ('do(action="Tap", element=[1000,2])', "action_place"),
    ('do(action="Tap", element=[-1,2])', "action_place"),
    ('do(action="Swipe", start=[1,2], end=[3,999999])', "action_place"),
    ('do(action="Tap", element=[12', "action_cut"),
    ('do(action="Tap", element=', "action_cut"),
    ('do(action="Tap"', "action_cut"),
    ('do(action="Type", text="hel', "action_cut"),
    ('do(action="Back") and then', "action_after"),
    ('do(action="Back")do(action="Home")', "action_after"),
    ('do(action="Type", text="a")\n\ndo(action="Tap", element=[1,2])', "action_after"),
    ('do(action="Type", text="a")do(action="Back")', "action_after"),
    ('do(action="Tap", element=[nan,1])', "action_unclear"),
    ('do(action="Tap", element=[1e3,1])', "action_unclear"),
    ('do(action=__import__("os").system("true"))', "action_unclear"),
    ('do(action="Tap", element=[1,2] if 1 else [2,3])', "action_unclear"),
    ('do(action="Tap", **{"element": [1,2]})', "action_unclear"),
    ('do(action="Tap" "x", element=[1,2])', "action_unclear"),
    ('do(action=Tap, element=[1,2])', "action_unclear"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "action"), READ)
def test_an_action_is_read(text, action):
    found = read_step(text)
    assert found.action == action and found.reason is None
    assert read_step(f"<think>why</think>\n<answer>{text}</answer>\n<|user|>").action == action


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_is_no_action_says_why(text, code):
    found = read_step(text)
    assert found.action is None and found.reason is not None
    assert found.reason.code == code
    said = reasons.text(found.reason)
    assert said != code and "?" not in said


def test_every_known_name_is_read():
    given = 'element=[1,2], start=[1,2], end=[3,4], text="x", app="x", message="x", instruction="x", duration="1 s"'
    for name in NAMES:
        found = read_step(f'do(action="{name}", {given})').action
        assert found is not None and not isinstance(found, actions.Unknown), name


@pytest.mark.parametrize(
    ("reply", "thinking", "written"),
    [  # finish( before do( before <answer>, wherever they stand
        ('<think>a</think><answer>do(action="Back")</answer>', "a", 'do(action="Back")'),
        ('a\ndo(action="Back")', "a", 'do(action="Back")'),
        ('do(action="Back") finish(message="x")', 'do(action="Back")', 'finish(message="x")'),
        ('<think>a</think><answer>nothing</answer>', "a", "nothing"),
        ("only words", "", "only words"),
        ('<think><think>a</think>\n<answer></think><answer>do(action="Home")', "a", 'do(action="Home")'),
        ('<|begin_of_box|>do(action="Home")<|end_of_box|>', "", 'do(action="Home")'),
    ],
)  # fmt: skip
def test_a_reply_is_split_as_the_agent_does(reply, thinking, written):
    found = read_step(reply)
    assert (found.thinking, found.written) == (thinking, written)
    ended = read_step(reply + "".join(TEMPLATE_TOKENS))
    assert (ended.thinking, ended.written) == (thinking, written)


def test_hostile_replies_end_soon_and_never_raise():
    begin = 'do(action="Type", text="'
    hostile = [
        begin + '"' * 90_000,
        begin + "\\" * 90_000,
        begin + '", a=' * 20_000,
        begin + '" )' * 30_000,
        begin + '",' * 30_000 + " " * 30_000,
        "do(" + " " * 90_000,
        "do(action=" + "[" * 90_000,
        "<think>" * 14_000,
        "</answer> " * 9_000,
        "finish(message=" * 6_000,
        begin + "x" * (2 * MOST_REPLY) + '")',
        'do(action="Tap", element=[' + "9" * 5_000 + ",1])",
        "do(" + ",".join(f"a{n}=1" for n in range(1_000)) + ")",
    ]
    for text in hostile:  # what grows with the square of its length would run into the suite's time limit
        found = read_step(text)
        assert (found.action is None) != (found.reason is None)


def test_any_text_is_read_or_refused():
    random_ = random.Random(5)
    words = [
        'do(action="Tap"',
        'do(action="Type"',
        'finish(message="x"',
        ", element=[1,2]",
        ', text="',
        *"[]),'\\\n5é",
        '"',
    ]
    read = 0
    for _ in range(20_000):
        text = "".join(random_.choice(words) for _ in range(random_.randrange(1, 9)))
        found = read_step(text + ")" * (random_.random() < 0.5))
        assert (found.action is None) != (found.reason is None)
        read += found.action is not None
        if found.action is not None:
            assert texts.action_text(found.action)
    assert read > 20


@pytest.mark.parametrize(("width", "height"), [(1080, 2400), (2400, 1080), (540, 1200), (1, 1), (84, 28)])
def test_places_lie_inside_any_picture(width, height):
    for x, y in ((0, 0), (999, 999), (500, 250), (999, 0)):
        across, down = Place(x, y).pixel(width, height)
        assert 0 <= across < width and 0 <= down < height
    assert Place(0, 0).pixel(width, height) == (0, 0)
    # as the agent computes it: int(x / 1000 * width)
    assert Place(500, 250).pixel(1080, 2400) == (540, 600)


def test_every_action_in_words():
    said = [texts.action_text(action) for _text, action in READ]
    assert all(said) and said[0] == "Tap at 512, 930"
    assert (
        texts.action_text(actions.Swipe(Place(500, 800), Place(500, 200)))
        == "Swipe from 500, 800 to 500, 200"
    )
    assert texts.action_text(actions.Note("True")) == texts.action_text(actions.Note())
    assert texts.action_text(actions.Unknown("Fly", (("to", "[1, 2]"),))).endswith("Fly (to = [1, 2])")
    assert "pays 5" in texts.action_text(actions.Tap(Place(1, 2), "pays 5"))


def test_every_action_has_chinese_words():
    english = [texts.action_text(action) for _text, action in READ]
    i18n.set_language("zh_CN")
    try:
        chinese = [texts.action_text(action) for _text, action in READ]
    finally:
        i18n.set_language("en")
    assert all(one != other for one, other in zip(english, chinese, strict=True))


def test_a_models_text_is_shown_as_data():
    assert texts.quoted("a\nb\tc") == "a ⏎ b c"
    assert texts.quoted("pay \u202e05 ot\u200b\x07") == "pay 05 ot"
    assert texts.quoted("👩\u200d💻") == "👩\u200d💻"
    assert len(texts.quoted("x" * 10_000)) == texts.MOST + 1
    assert texts.prose(" a\nb\u202e ") == "a\nb"
