"""What would help, on made machines; the prices in it are made, too, but where the shipped file is named."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop import cli_check, i18n
from autoglm_desktop.core import ladder, whatif_now
from autoglm_desktop.core.cards import Cards
from autoglm_desktop.core.costs import cost_table
from autoglm_desktop.core.gpu_states import OWN_PROGRAM
from autoglm_desktop.core.help_values import LEAST_GAIN, LOSSY, PURCHASES, Help, Planning
from autoglm_desktop.core.machine import GpuProcess, Machine, Program
from autoglm_desktop.core.measured import LayerSpeed, Measurements
from autoglm_desktop.core.prices import Part, Prices, Tariff, Upkeep
from autoglm_desktop.core.subject import ProjectorWeights, Subject, of_model
from autoglm_desktop.core.units import GIB
from autoglm_desktop.core.verdict import VERDICTS
from autoglm_desktop.core.whatif import MOST_HELPS, helps
from autoglm_desktop.core.whatif_hardware import made_card
from autoglm_desktop.store import catalog, paths
from autoglm_desktop.store.prices import load_prices
from autoglm_desktop.texts import whatif as texts
from autoglm_desktop.usecases.advice import read_prices, with_advice
from autoglm_desktop.usecases.check import CheckOptions
from autoglm_desktop.usecases.check_json import to_json
from autoglm_desktop.usecases.services import gpu_table
from tests.fakes import made_machines as made
from tests.fakes.made_check import made_result


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = i18n.language()
    i18n.set_language("en")
    yield
    i18n.set_language(before)


SHIPPED = load_prices(paths.resources() / "prices.toml")
PHONE = of_model(catalog.load().models[0])


def made_part(name: str, size: int, **more: object) -> Part:
    values = {"kind": "gpu", "title": name, "currency": "USD", "gpu": name, "value": 100.0, **more}
    return Part(f"made-{name}-{size}", size_gb=size, **values)  # type: ignore[arg-type]


def helped(
    machine: Machine,
    prices: Prices = SHIPPED,
    subject: Subject = PHONE,
    wish: str | None = None,
    **more: object,
) -> tuple[Help, ...]:
    planning = Planning(cards=gpu_table(), **more)  # type: ignore[arg-type]
    plan = ladder.plan_model(
        machine, subject, wish, variant=planning.variant, cards=gpu_table(), measured=planning.measured
    )
    return helps(machine, subject, plan, planning, prices)


def kinds(found: tuple[Help, ...]) -> list[str]:
    return [one.kind for one in found]


EVERY = {
    "4060": made.made_rtx_4060(), "4060 ram": made.made_rtx_4060(bandwidth=made.DDR4_DUAL),
    "game": made.with_game(made.made_rtx_4060(bandwidth=made.DDR4_DUAL)), "3060": made.made_rtx_3060(),
    "4090": made.made_rtx_4090(), "1060": made.made_gtx_1060(), "laptop": made.made_laptop(made.DDR4_DUAL),
    "small": made.made_small(), "mac": made.made_mac(), "unknown": Machine(),
}  # fmt: skip


@pytest.mark.parametrize("wish", ["phone", "text"])
@pytest.mark.parametrize("machine", EVERY.values(), ids=EVERY)
def test_only_what_really_helps_the_most_useful_first(machine: Machine, wish: str) -> None:
    found = helped(machine, wish=wish)
    assert len(found) <= MOST_HELPS
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    for one in found:
        if one.after is None:
            assert one.kind == "measure" and one.before.seconds is None
            continue
        better = VERDICTS.index(one.after.verdict) < VERDICTS.index(one.before.verdict)
        assert better or (one.after.verdict == one.before.verdict and (one.gain or 0) >= LEAST_GAIN)
        assert not (one.before.verdict == "runs_well" and one.kind in LOSSY)


def test_nothing_is_made_up_for_an_unknown_machine() -> None:
    assert helped(Machine()) == () == helped(Machine(), wish="text")


def test_nothing_would_help_a_big_card() -> None:
    assert helped(made.made_rtx_4090()) == ()


def test_no_vision_no_help() -> None:
    blind = replace(PHONE, projector=None, safetensors=None)
    assert helped(made.made_laptop(), subject=blind, wish="phone") == ()


def test_eight_gigabytes() -> None:
    found = helped(made.made_rtx_4060(bandwidth=made.DDR4_DUAL))
    assert kinds(found)[0] == "smaller_screenshots" and "other_gpu" in kinds(found)
    first = found[0]
    assert first.screenshot == "720×1600" and first.after is not None and first.after.verdict == "runs_well"
    card = found[kinds(found).index("other_gpu")]
    assert card.gpu == "RTX 3060 12 GB" and card.after is not None and card.after.rung == "gguf-gpu"
    assert {part.currency for part in card.parts} == {"USD"}, "a row without a price is not a price"


def test_an_unknown_speed_is_to_be_measured_first_but_not_in_a_file() -> None:
    machine = made.made_rtx_4060()
    assert kinds(helped(machine))[0] == "measure"
    assert "measure" not in kinds(helped(machine, here=False))
    shape = PHONE.shape.key
    done = Measurements("made", layers=(LayerSpeed("made", shape, "Q4_K_M", 1.0, 1.0, 1.0, 1.0),))
    assert "measure" not in kinds(helped(machine, measured=done)), "it was measured and told nothing"


def test_a_driver_that_is_too_old() -> None:
    old = made.with_gpu(made.made_rtx_4060(bandwidth=made.DDR4_DUAL), driver_version="470.57")
    first = helped(old)[0]
    assert first.kind == "update_driver" and texts.change(first) == "A newer driver, 528.33 or later"
    now = ladder.plan_model(made.made_rtx_4060(bandwidth=made.DDR4_DUAL), PHONE, cards=gpu_table())
    assert first.after is not None and first.after.verdict == now.verdict != first.before.verdict
    assert "update_driver" not in kinds(helped(made.made_rtx_4060(bandwidth=made.DDR4_DUAL)))


def test_a_game_on_the_card() -> None:
    found = helped(made.with_game(made.made_rtx_4060(bandwidth=made.DDR4_DUAL)))
    first = found[0]
    assert first.kind == "close_programs" and first.bytes == 3 * GIB
    assert [(one.name, one.memory_bytes) for one in first.programs] == [("made-game.exe", 3 * GIB)]
    assert first.after is not None and first.after.seconds is not None and first.before.seconds is not None
    assert first.after.seconds < first.before.seconds
    assert texts.change(first) == "Close made-game.exe (3.0 GiB) to free 3.0 GiB of GPU memory"


@pytest.mark.parametrize("process", [
    GpuProcess(None, 3 * GIB), GpuProcess("made", None), GpuProcess("made", 0), GpuProcess("made", 20 * 1024**2),
    GpuProcess("C:\\Windows\\System32\\DWM.exe", 3 * GIB), GpuProcess("/usr/bin/gnome-shell", 3 * GIB),
    GpuProcess(OWN_PROGRAM, 3 * GIB),
], ids=["no name", "no size", "nothing", "little", "dwm", "gnome", "own"])  # fmt: skip
def test_a_program_that_cannot_be_named_is_not_to_be_closed(process: GpuProcess) -> None:
    machine = made.with_game(made.made_rtx_4060(bandwidth=made.DDR4_DUAL))
    assert "close_programs" not in kinds(helped(made.with_gpu(machine, processes=(process,))))


def test_no_more_becomes_free_than_is_taken() -> None:
    """Two processes of one program, which together claim more than the card has in use."""
    machine = made.made_rtx_4060(bandwidth=made.DDR4_DUAL)
    twice = (GpuProcess("C:\\made\\game.exe", 6 * GIB), GpuProcess("C:\\made\\game.exe", 6 * GIB))
    found = helped(made.with_gpu(machine, processes=twice, memory_free_bytes=4 * GIB))[0]
    assert found.bytes == 8188 * 1024**2 - 4 * GIB
    assert [(one.name, one.memory_bytes) for one in found.programs] == [("game.exe", 12 * GIB)]


def crowded(free_gib: float, *programs: Program, **more: object) -> Machine:
    machine = made.made_laptop(made.DDR4_DUAL)
    memory = replace(machine.memory, available_bytes=int(free_gib * GIB), programs=programs, **more)  # type: ignore[arg-type]
    return replace(machine, memory=memory)


def test_programs_that_hold_the_ram() -> None:
    browser, editor = Program("made-browser", 3 * GIB), Program("made-editor", 2 * GIB)
    found = helped(crowded(2, editor, browser, Program("made-small", 200 * 1024**2)))
    first = found[0]
    assert first.kind == "close_ram_programs" and first.before.verdict == "cannot"
    assert first.after is not None and first.after.verdict != "cannot"
    assert {one.name for one in first.programs} == {"made-browser", "made-editor"}, "one alone is not enough"
    assert texts.change(first) == (
        "Close made-browser (3.0 GiB), made-editor (2.0 GiB) to free 5.0 GiB of RAM"
    )
    alone = helped(crowded(2, Program("made-browser", 9 * GIB), editor))[0]
    assert [one.name for one in alone.programs] == ["made-browser"] and alone.bytes == 9 * GIB


@pytest.mark.parametrize(
    "machine",
    [
        crowded(11, Program("made-browser", 3 * GIB)),
        crowded(2, Program("made-browser", 8 * GIB), limit_bytes=12 * GIB),
        crowded(2, Program(OWN_PROGRAM, GIB), Program("gnome-shell", 9 * GIB), Program(None, 9 * GIB)),
        crowded(2, Program("made-browser", GIB)),
    ],
    ids=["enough", "container", "not to be closed", "not enough"],
)
def test_no_program_is_closed_for_nothing(machine: Machine) -> None:
    assert "close_ram_programs" not in kinds(helped(machine))


def test_a_laptop_without_a_gpu() -> None:
    found = helped(made.made_laptop(made.DDR4_DUAL))
    assert "other_gpu" in kinds(found) and "close_programs" not in kinds(found)
    assert "more_ram" not in kinds(found), "16 GB hold it; more make nothing faster"


def test_more_ram_where_it_is_short() -> None:
    found = [one for one in helped(made.made_small(), Prices()) if one.kind == "more_ram"]
    assert [one.bytes for one in found] == [16 * GIB] and found[0].parts == ()
    assert (
        found[0].before.verdict == "cannot"
        and found[0].after is not None
        and found[0].after.verdict == "slow"
    )


def test_ram_of_another_kind_is_no_price() -> None:
    machine = made.made_small()
    ddr5 = replace(machine, memory=replace(machine.memory, kind="DDR5"))
    one = next(one for one in helped(ddr5) if one.kind == "more_ram")
    assert {part.title for part in one.parts} == {"DDR5, 1 x 16 GB"}


@pytest.mark.parametrize("change", ["container", "mac", "unknown RAM"])
def test_no_ram_where_it_would_not_count(change: str) -> None:
    machine = made.made_small()
    if change == "container":
        machine = replace(machine, memory=replace(machine.memory, limit_bytes=8 * GIB))
    elif change == "mac":
        machine = replace(machine, os=replace(machine.os, name="macOS"))
    else:
        machine = replace(machine, memory=replace(machine.memory, total_bytes=None, available_bytes=None))
    found = kinds(helped(machine))
    assert "more_ram" not in found
    assert change == "container" or "other_gpu" not in found


def test_no_card_into_a_laptop_that_has_one() -> None:
    machine = made.with_gpu(made.made_gtx_1060(), name="NVIDIA GeForce GTX 1060 Laptop GPU")
    assert "other_gpu" not in kinds(helped(machine))


def test_of_one_size_the_cheaper_card() -> None:
    parts = (made_part("RTX 3060", 12, value=300.0), made_part("RTX 4070", 12, value=200.0))
    machine = made.made_laptop(made.DDR4_DUAL)
    cheap = [one.gpu for one in helped(machine, Prices(parts=parts)) if one.kind == "other_gpu"]
    assert cheap == ["RTX 4070 12 GB"]
    dear = tuple(replace(part, value=500.0 - (part.value or 0)) for part in parts)
    assert [one.gpu for one in helped(machine, Prices(parts=dear)) if one.kind == "other_gpu"] == [
        "RTX 3060 12 GB"
    ]


@pytest.mark.parametrize("name", ["made card", "RTX 4060 Laptop"])
def test_a_card_of_no_table_is_not_made_up(name: str) -> None:
    parts = (made_part(name, 8),)
    assert "other_gpu" not in kinds(helped(made.made_laptop(made.DDR4_DUAL), Prices(parts=parts)))


def test_a_card_as_the_table_has_it() -> None:
    gpu = made_card(gpu_table(), "RTX 4070", 12)
    assert gpu is not None and gpu.vendor == "nvidia" and gpu.compute_capability == (8, 9)
    assert gpu.memory_total_bytes == 12 * GIB and gpu.memory_free_bytes is None
    assert gpu.memory_bandwidth_bytes_per_s and gpu.cores and gpu.core_clock_mhz
    ampere = made_card(gpu_table(), "RTX 3060", 12)
    assert ampere is not None and ampere.compute_capability is None, "8.0 or 8.6: the table leaves it open"
    assert ampere.memory_bandwidth_bytes_per_s == 360_000_000_000
    assert made_card(Cards(), "RTX 3060", 12) is None


def test_measurements_of_the_present_card_are_not_the_other_ones() -> None:
    """With a card that was measured as very slow, another one keeps its own estimate."""
    shape = PHONE.shape.key
    slow = LayerSpeed("gpu:0", shape, "Q4_K_M", 1.0, 1.0, 1.0, 1.0)
    machine = made.made_gtx_1060()
    plain = [one for one in helped(machine) if one.kind == "other_gpu"]
    told = [
        one
        for one in helped(machine, measured=Measurements("made", layers=(slow,)))
        if one.kind == "other_gpu"
    ]
    by_gpu = {one.gpu: one.after for one in plain}
    assert told and all(not (one.after and one.after.measured) for one in told)
    same = [one for one in told if one.after and one.after.variant == by_gpu[one.gpu].variant]  # type: ignore[union-attr]
    assert all(one.after == by_gpu[one.gpu] for one in same)


def test_a_smaller_variant_than_the_one_that_was_named() -> None:
    machine = made.made_rtx_3060()
    found = helped(machine, variant="Q8_0")
    one = next(one for one in found if one.kind == "smaller_variant")
    assert one.variant == "Q6_K" and one.after is not None and one.after.verdict == "runs_well"


def test_the_projector_in_8_bits() -> None:
    known = PHONE.projector
    assert known is not None
    only_f16 = replace(PHONE, projector=replace(known, quantised_bytes=None))
    other = replace(PHONE, projector=ProjectorWeights(known.memory_bytes - 1, known.file_bytes))
    machine = made.made_rtx_4060(bandwidth=made.DDR4_DUAL)
    assert "q8_projector" not in kinds(helped(machine)), "the plan has it in 8 bits already"
    assert "q8_projector" not in kinds(helped(machine, subject=other)), "its size in 8 bits is not known"
    one = next(one for one in helped(machine, subject=only_f16) if one.kind == "q8_projector")
    assert one.gain is not None and one.gain >= LEAST_GAIN


def test_few_plans_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = whatif_now.plan_model

    def counted(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(whatif_now, "plan_model", counted)
    plans = {name: ladder.plan_model(machine, PHONE, cards=gpu_table()) for name, machine in EVERY.items()}
    for name, machine in EVERY.items():
        calls = 0
        helps(machine, PHONE, plans[name], Planning(cards=gpu_table()), SHIPPED)
        assert calls <= 10, name


def test_three_years_cost() -> None:
    parts = (made_part("RTX 3060", 12, value=200.0),)
    prices = Prices(
        parts=parts,
        tariffs=(Tariff("made", "made", "USD", 0.2),),
        upkeeps=(Upkeep("made", "made", "USD", 100.0),),
    )
    found = helped(made.made_laptop(made.DDR4_DUAL), prices)
    (row,) = cost_table(found, prices, gpu_table()).rows
    assert row.watts == 170 and row.energy_kwh == pytest.approx(170 * 8 * 365 * 3 / 1000)
    assert row.cost.total == pytest.approx(200 + 0.2 * 1489.2 + 300)
    bare = cost_table(found, Prices(parts=parts), gpu_table()).rows[0].cost
    assert (bare.hardware, bare.electricity, bare.upkeep, bare.total) == (200.0, None, None, None)


def test_the_shipped_table_has_the_published_example() -> None:
    found = helped(made.made_small())
    table = cost_table(found, SHIPPED, gpu_table())
    example = table.rows[-1]
    assert example.kind == "example" and example.energy_kwh == pytest.approx(5694)
    assert example.cost.hardware == 22300 and example.cost.electricity is None and example.cost.total is None
    ram = [row for row in table.rows if row.kind == "ram"]
    assert ram and all(row.watts is None and row.energy_kwh is None for row in ram)
    assert cost_table((), SHIPPED, gpu_table()).rows == ()


def test_the_users_own_prices(tmp_path: Path) -> None:
    assert read_prices(tmp_path) == (SHIPPED, None)
    own = tmp_path / "prices.toml"
    own.write_text(
        '[[tariff]]\nid = "me"\ntitle = "me"\ncurrency = "CNY"\nper_kwh = 0.6\nsource = "me"\ndate = 2026-11-01\n'
    )
    prices, problem = read_prices(tmp_path)
    assert problem is None and prices.parts == () and prices.tariffs[0].per_kwh == 0.6
    own.write_text('date = "soon"')
    prices, problem = read_prices(tmp_path)
    assert prices == SHIPPED and problem is not None and problem.code == "prices_wrong"


def test_in_words() -> None:
    found = helped(made.made_rtx_4060(bandwidth=made.DDR4_DUAL))
    lines = texts.lines(found)
    assert len(lines) <= 3 and len(lines) == len({one.kind for one in found})
    assert lines[0].startswith("Smaller screenshots, 720×1600: runs well, ")
    assert lines[1].endswith("; price USD 170–220 (used, 2026-02)")
    assert texts.lines(helped(made.made_rtx_3060())) == [], "nothing is sold to whom it runs well"
    assert "price not known" in texts.sentence(replace(found[1], parts=()))
    assert all(one.kind in PURCHASES for one in helped(made.made_rtx_3060()))


def test_prices_with_a_mistake_are_said(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("[[part]]\n")
    found = with_advice(made_result(made.made_laptop()), CheckOptions(), (), (), tmp_path)
    assert "Your prices in" in cli_check.render(found) and "built-in" in to_json(found)["costs"]["problem"]
    assert to_json(made_result(made.made_laptop()))["costs"]["problem"] is None


def test_the_terminal_has_three_lines_at_most() -> None:
    text = cli_check.render(made_result(made.with_game(made.made_rtx_4060(bandwidth=made.DDR4_DUAL))))
    part = text.split("What would help\n")[1].split("\n\n")[0]
    assert part.count("  · ") == 3 and part.startswith("  · Close made-game.exe")
    assert "What would help" not in cli_check.render(made_result(made.made_rtx_4090()))
