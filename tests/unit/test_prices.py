"""prices.toml as shipped, as edited, as mangled; the arithmetic of owning a machine."""

from pathlib import Path

import pytest

from autoglm_desktop.core.prices import KINDS, Prices, Tariff, cost, energy_kwh, example_cost
from autoglm_desktop.probe.gpu_table import load_table
from autoglm_desktop.store.prices import load_prices, parse_prices

RESOURCES = Path(__file__).parents[2] / "resources"
PART = '[[part]]\nid = "a"\nkind = "ram"\ntitle = "t"\nsize_gb = 32\ncurrency = "EUR"\n'
READ = PART + 'low = 80\nhigh = 100\nsource = "me"\ndate = 2026-11-01\n'


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load_prices(RESOURCES / "prices.toml")


def test_every_price_says_where_and_when_it_was_read_and_none_is_verified(prices: Prices) -> None:
    known = [part for part in prices.parts if part.price is not None]
    assert len(known) >= 10
    assert all(part.source.startswith("https://") and part.date >= "2026" for part in known)
    assert all(part.note == "enter your own" for part in prices.parts if part.price is None)
    assert not [item for item in (*prices.parts, *prices.tariffs, *prices.upkeeps) if item.verified]
    assert len({part.id for part in prices.parts}) == len(prices.parts)


def test_every_currency_has_something_of_each_kind(prices: Prices) -> None:
    for currency in ("CNY", "EUR", "USD"):
        assert all(prices.of(kind, currency) for kind in KINDS)
        assert prices.tariff(currency) is not None and prices.upkeep(currency) is not None
        assert {part.size_gb for part in prices.of("gpu", currency)} >= {12, 16, 24}
        assert {part.size_gb for part in prices.of("ram", currency)} >= {32, 64}
    assert prices.tariff("XXX") is None and prices.upkeep("XXX") is None


def test_suggested_gpus_are_in_the_table_of_cards(prices: Prices) -> None:
    table = load_table(RESOURCES / "gpus.toml")
    for part in prices.of("gpu"):
        card = table.find(part.gpu, part.size_gb << 30, "nvidia")
        assert card is not None and card.memory == part.size_gb, part.id


def test_the_published_example(prices: Prices) -> None:
    (example,) = prices.examples
    found = example_cost(example, prices.tariff("CNY"))
    assert found.energy_kwh == pytest.approx(5694)
    assert (found.hardware, found.electricity, found.upkeep, found.total) == (22300, None, 1500, None)
    own = example_cost(example, Tariff("me", "mine", "CNY", 0.5))
    assert own.electricity == pytest.approx(2847) and own.total == pytest.approx(26647)
    assert example_cost(example, Tariff("eu", "", "EUR", 0.3)).electricity is None  # another currency


def test_cost_is_unknown_with_any_of_its_parts() -> None:
    assert energy_kwh(650, 8, 3) == pytest.approx(5694)
    tariff = Tariff("x", "", "EUR", 0.25)
    assert cost(tariff, 100, 10, 1, 50, 0).total == pytest.approx(50 + 365 * 0.25)
    assert cost(tariff, 100, 10, 1, None, 0).total is None
    assert cost(tariff, 100, 10, 1, 50, None).total is None
    assert cost(Tariff("x", "", "EUR"), 100, 10, 1, 50, 0).total is None


def test_a_span_has_a_middle_and_a_price_of_ones_own_wins() -> None:
    (part,) = parse_prices(READ).parts
    assert (part.price, part.date) == (90, "2026-11-01")
    (own,) = parse_prices(READ + "value = 95").parts
    assert own.price == 95
    (unknown,) = parse_prices(PART + 'note = "enter your own"').parts
    assert unknown.price is None
    (month,) = parse_prices(READ.replace("2026-11-01", '"2026-11"')).parts
    assert month.date == "2026-11"


def test_windows_editors_leave_marks(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + READ.replace("\n", "\r\n").encode())
    assert load_prices(path).parts[0].price == 90
    assert parse_prices("") == Prices()


@pytest.mark.parametrize(
    "text",
    [
        PART,  # neither price nor note
        PART + "value = 90",  # without source and date
        READ.replace("high = 100\n", ""),
        READ.replace("low = 80", "low = 180"),
        READ.replace('"EUR"', '"euro"'),
        READ.replace('"ram"', '"cat"'),
        READ.replace('"ram"', '"gpu"'),
        READ + 'condition = "broken"',
        READ + 'colour = "red"',
        READ.replace("2026-11-01", '"soon"'),
        READ.replace("2026-11-01", '"2026-13"'),
        READ.replace("2026-11-01", "10:00:00"),
        *(
            READ.replace("low = 80", f"low = {x}")
            for x in ("nan", "-inf", "-1", "0", "true", '"80"', "80,5", "1e999")
        ),
        READ.replace("32", "1.5"),
        READ.replace("32", "1" + "0" * 400),
        "date = 5",
        "date = 'x'",
        "part = 1",
        "part = [1]",
        "[part]\nid = 'a'",
        "[[upkeep]]\nid = 'a'\ntitle = 't'\ncurrency = 'CNY'",
        "[[tariff]]\nid = 'a'\ntitle = 't'\ncurrency = 'CNY'\nper_kwh = 0.5",
        "[[example]]\nid='a'\ntitle='t'\ncurrency='CNY'\nhardware=1\nwatts=1\nhours_per_day=25\nyears=1\nupkeep=0\nsource='s'",
        "x = " + "[" * 5000 + "]" * 5000,
        "[[part]",
    ],
)
def test_a_wrong_file_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_prices(text)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ValueError):
        load_prices(path)
