"""Measuring from the System check page: consent, progress, its ends, what stands in its way; the order; details."""

import asyncio
import dataclasses

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.machine import Gpu, GpuProcess, Machine
from autoglm_desktop.core.measured_age import Outdated
from autoglm_desktop.core.rungs import Basis, DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.gui.system import plan_details, report, tile_details
from autoglm_desktop.gui.system.ladder_table import cells, how_text
from autoglm_desktop.gui.system.page import SystemPage
from autoglm_desktop.gui.widgets.pill import Pill
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.store import settings
from autoglm_desktop.texts import cards
from autoglm_desktop.usecases.measure import Measured, Step
from autoglm_desktop.usecases.session import SessionState
from tests.gui.made_checks import MACHINES, checker, made_check, made_measured, made_rich, made_services


class FakeSession(QObject):
    changed = Signal(object)

    def __init__(self, phase="idle"):
        super().__init__()
        self.state = SessionState(phase)

    def become(self, phase):
        self.state = SessionState(phase)
        self.changed.emit(self.state)


class FakeMeasure:
    """Tells a step; ends at once, with an error, or when it is cancelled."""

    def __init__(self, failed=(), error=None, waits=False):
        self.calls, self.cancelled = [], False
        self._failed, self._error, self._waits = tuple(failed), error, waits

    async def __call__(self, services, machine, subject, variants, tell, *parts):
        self.calls.append((subject.id, variants, *parts))
        tell(Step("model", 0.5, "gpu:0", variants[0]))
        if self._error is not None:
            raise self._error
        if self._waits:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return Measured(made_measured(services, variants), self._failed)


@pytest.fixture
def services(tmp_path):
    return made_services(tmp_path / "home")


@pytest.fixture
def page_with(qtbot, bridge, services):
    def make(work, session=None, check=None):
        check = check or checker(MACHINES["rich"]())
        page = SystemPage(bridge, services, check, session=session, work=work)
        qtbot.addWidget(page)
        page.start()
        qtbot.waitUntil(lambda: page.result is not None and page.again_button.isEnabled())
        return page

    return make


def agree(page):
    page.measure_card.measure_button.click()
    page.measuring.dialog.do_button.click()


def said(page):
    found = page.measure_card._said.findChildren(QLabel)
    return [one.text() for one in found if one.text() and not one.isHidden()]


def test_nothing_is_measured_before_it_is_agreed_to(page_with):
    work = FakeMeasure()
    page = page_with(work)
    page.measure_card.measure_button.click()
    text = page.measuring.dialog.text.text()
    for words in ("RAM and disk", "half a minute", "1.5 GB", "stay on this machine"):
        assert words in text
    page.measuring.dialog.cancel_button.click()
    assert page.measuring.dialog is None
    assert not page.measuring.active
    assert work.calls == []


def test_measuring_shows_how_far_it_is_and_checks_again(qtbot, services, page_with):
    measured = []

    async def check(services, options, on_part):
        return made_check(made_rich(), services, measured=bool(measured))

    async def work(services, machine, subject, variants, tell, *parts):
        tell(Step("disk", 0.1))
        measured.append(variants)
        return Measured(made_measured(services))

    page = page_with(work, check=check)
    assert "Nothing has been measured" in page.measure_card.text.text()
    with qtbot.waitSignal(page.checked):
        agree(page)
        assert page.again_button.text() == "Measuring …"
        assert not page.again_button.isEnabled()
    qtbot.waitUntil(page.again_button.isEnabled)
    said_of = page.measure_card.text.text()
    assert said_of.startswith("RAM, disk, Q4_K_M on the CPU, Q4_K_M on GPU 0: 2025-11-2")
    assert said_of.endswith(" days ago")
    assert any("Reading, measured: 40 GB/s" in line for line in page.tiles["ram"].content.more)
    assert page.measure_card.cancel_button.isHidden()
    assert said(page) == []


def test_what_becomes_the_recommended_is_measured_too(qtbot, page_with):
    work, orders = FakeMeasure(), []

    async def check(services, options, on_part):
        orders.append("quality" if len(orders) else "fastest")
        return made_check(made_rich(), services, order=orders[-1])

    page = page_with(work, check=check)
    first = page.result.models[0].recommended.variant
    with qtbot.waitSignal(page.checked):
        agree(page)
    then = page.result.models[0].recommended.variant
    assert first != then
    assert [call[1:] for call in work.calls] == [((first,),), ((then,), ("model",))]


def test_what_could_not_be_measured_is_said_with_its_reason(qtbot, page_with):
    reason = Reason.of("measure_needs_engine")
    page = page_with(FakeMeasure(failed=[("model", reason)]))
    with qtbot.waitSignal(page.checked):
        agree(page)
    qtbot.waitUntil(lambda: bool(said(page)))
    (line,) = said(page)
    assert "no engine is installed" in line


def test_measuring_can_be_cancelled(qtbot, page_with):
    work = FakeMeasure(waits=True)
    page = page_with(work)
    agree(page)
    qtbot.waitUntil(lambda: "GPU 0 · 50 %" in page.measure_card.step.text())
    assert page.measure_card.bar.fraction == 0.5
    page.measure_card.cancel_button.click()
    assert not page.measure_card.cancel_button.isEnabled()
    qtbot.waitUntil(lambda: not page.measuring.active)
    assert work.cancelled
    assert "was cancelled" in said(page)[0]
    assert not page.measure_card.measure_button.isHidden()
    assert page.again_button.isEnabled()


def test_an_error_is_said_and_measuring_can_be_tried_again(qtbot, page_with):
    error = AppError("folder_not_writable", path="/nowhere", detail="read-only")
    page = page_with(FakeMeasure(error=error))
    agree(page)
    qtbot.waitUntil(lambda: bool(said(page)) and not page.measuring.active)
    assert "/nowhere" in said(page)[0]
    assert not page.measure_card.measure_button.isHidden()


@pytest.mark.parametrize("phase", ["loading", "ready", "generating"])
def test_a_loaded_model_stands_in_the_way(page_with, phase):
    page = page_with(FakeMeasure(), FakeSession(phase))
    page.measure_card.measure_button.click()
    assert page.measuring.dialog is None
    assert "unload it first" in said(page)[0]


def test_a_model_that_is_loaded_meanwhile_ends_it(qtbot, page_with):
    session, work = FakeSession(), FakeMeasure(waits=True)
    page = page_with(work, session)
    agree(page)
    qtbot.waitUntil(lambda: bool(work.calls))
    session.become("loading")
    qtbot.waitUntil(lambda: not page.measuring.active)
    assert work.cancelled
    assert "a model is being loaded" in said(page)[0]


def test_what_was_measured_can_be_forgotten(qtbot, services, page_with):
    machine = made_rich()
    key = hardware_key(machine)
    services.measurements.save(dataclasses.replace(made_measured(services), hardware=key))

    async def check(services, options, on_part):
        return made_check(machine, services, measured=bool(services.measurements.all()))

    page = page_with(FakeMeasure(), check=check)
    button = page.measure_card.forget_button
    assert not button.isHidden()
    with qtbot.waitSignal(page.checked):
        button.click()
    assert services.measurements.all() == ()
    assert button.isHidden()
    assert "Nothing has been measured" in page.measure_card.text.text()


def test_nothing_is_forgotten_while_it_is_measured(qtbot, page_with):
    page = page_with(FakeMeasure(waits=True), check=checker(MACHINES["rich"](), measured=True))
    assert not page.measure_card.forget_button.isHidden()
    agree(page)
    qtbot.waitUntil(lambda: "GPU 0" in page.measure_card.step.text())
    assert page.measure_card.forget_button.isHidden()
    page.measure_card.cancel_button.click()
    qtbot.waitUntil(lambda: not page.measuring.active)
    assert not page.measure_card.forget_button.isHidden()


def test_a_file_that_cannot_be_changed_is_said(qtbot, services, page_with, monkeypatch):
    def refused(_hardware):
        raise AppError("file_unwritable", path="/nowhere", detail="read-only")

    monkeypatch.setattr(type(services.measurements), "forget", lambda _self, key: refused(key))
    page = page_with(FakeMeasure(), check=checker(MACHINES["rich"](), measured=True))
    page.measure_card.forget_button.click()
    qtbot.waitUntil(lambda: bool(said(page)))
    assert "/nowhere" in said(page)[0]


def test_what_no_longer_counts_is_said_with_why(page_with):
    page = page_with(FakeMeasure())
    reason = Reason.of("measured_with_another_driver", gpu="made card", before="1", now="2")
    page.measure_card.show_known(None, (Outdated(reason, 1_763_700_000.0),))
    text = page.measure_card.text.text()
    assert "no longer counts: the driver of the made card is now 2; it was 1." in text
    assert not page.measure_card.forget_button.isHidden()


def test_a_check_asked_for_meanwhile_follows(qtbot, page_with):
    work = FakeMeasure(waits=True)
    page = page_with(work)
    agree(page)
    page.start()
    assert page._job is None
    with qtbot.waitSignal(page.checked):
        page.measuring.cancel()


def test_the_order_is_kept_and_the_plans_follow_it(qtbot, services, page_with):
    page = page_with(FakeMeasure())
    assert page.order.value() == "designed"
    with qtbot.waitSignal(page.checked):
        page.order.picked.emit("fastest")
    assert page.order.value() == "fastest"
    pills = [one for one in page.ladder.findChildren(Pill) if one.isVisibleTo(page.ladder)]
    assert [one.text() for one in pills] == ["Recommended"]
    assert page.result.known.order == "fastest"
    qtbot.waitUntil(lambda: settings.load(services.home).order == "fastest")


def test_details_of_a_way_unfold_and_stay_open(qtbot, page_with):
    page = page_with(FakeMeasure())
    assert page.ladder.panels["gguf-gpu"].isHidden()
    page.ladder.detail_buttons["gguf-gpu"].click()
    assert not page.ladder.panels["gguf-gpu"].isHidden()
    with qtbot.waitSignal(page.checked):
        page.start()
    assert not page.ladder.panels["gguf-gpu"].isHidden()
    assert page.ladder.panels["gguf-cpu"].isHidden()
    page.ladder.detail_buttons["gguf-gpu"].click()
    assert page.ladder.panels["gguf-gpu"].isHidden()


def made_plan(speed):
    return RungPlan(
        "gguf-split", "Q4_K_M", status="fits", context=16_384, gpu_layers=30, projector="cpu",
        projector_type="q8_0", layers_by_gpu={"gpu:0": 20, "gpu:1": 10}, tokens_per_s=20.0, phone_step_s=10.0,
        phone_step=PhoneStep(1500, 2000, 0, 200), basis=Basis("dry_run", speed),
        memory={"ram": DeviceMemory(weights=GIB, total=GIB, margin=512 * MIB)},
    )  # fmt: skip


def test_the_details_say_layers_projector_and_basis():
    said_of = "\n".join(plan_details.lines(made_plan("measured")))
    for words in (
        "GPU 0: 20, GPU 1: 10",
        "Q8_0 on the CPU",
        "dry run",
        "from measurements",
        "screenshot 1,500",
    ):
        assert words in said_of
    assert "estimated" in "\n".join(plan_details.lines(made_plan("estimated")))
    (row,) = plan_details.memory_rows(made_plan("measured"))
    assert row == ("RAM", "1.0 GiB", "–", "–", "–", "–", "1.0 GiB", "512 MiB", "–")
    assert len(row) == len(plan_details.memory_head()) + 1


def test_speeds_are_exact_where_measured_and_a_range_where_estimated(services):
    model = made_check(MACHINES["gaming"](), services, "phone").models[0]
    assert cells(made_plan("measured"), model)[4:6] == ("20", "10 s")
    assert cells(made_plan("estimated"), model)[4] == "17–23"
    assert how_text(made_plan("measured")).endswith("screenshot of 1,500 tokens")


def test_tiles_tell_more_of_what_is_known_and_nothing_of_what_is_not(services):
    machine = made_rich()
    gpu = tile_details.details("gpu", machine)
    assert "PCIe: 1.0 ×8 (at most 4.0 ×16)" in gpu
    assert "Power: 14 W of 115 W" in gpu
    assert "Temperature: 47 °C" in gpu
    assert gpu[0] == "Held by another program: 90 MiB"
    assert cards.held(machine.gpus[0].processes)[0] == "Held by made-a.exe: 700 MiB"
    assert "Performance cores: 6" in tile_details.details("cpu", machine)
    assert "File system: ext4" in tile_details.details("disk", machine)
    assert tile_details.ram_kind(machine.memory) == ("DDR5 · 5600 MT/s · 2 channels",)
    bare = Machine(gpus=(Gpu(0, "nvidia", processes=(GpuProcess("made", None),)),))
    assert [tile_details.details(tile, bare) for tile in ("gpu", "ram", "disk", "cpu")] == [()] * 4
    assert cards.held(bare.gpus[0].processes) == ()


def test_the_report_says_details_and_when_it_was_measured(services):
    text = report.as_text(made_check(made_rich(), services, measured=True))
    assert "RAM, disk, Q4_K_M on the CPU, Q4_K_M on GPU 0: 2025-11-2" in text
    assert "DDR5 · 5600 MT/s" in text
    assert "PCIe: 1.0 ×8" in text


def test_settings_of_the_system_are_shown_on_demand(page_with):
    page = page_with(FakeMeasure())
    rows = page.tuning.findChildren(QLabel)
    assert "Eagerness to swap (vm.swappiness)" in [one.text() for one in rows]
    content = page.tuning._content
    assert content.isHidden()
    page.tuning.toggle.click()
    assert not content.isHidden()


@pytest.mark.parametrize(
    ("variant", "dtype", "said"),
    [
        ("safetensors", "bf16", "very little"), ("safetensors", "int8", "medium"), ("safetensors", "nf4", "3 to 8 %"),
        ("Q4_K_M", None, "3 to 8 %"), ("IQ4_XS", None, "3 to 8 %"), ("Q6_K", None, ""), ("Q2_K", None, ""),
    ],
)  # fmt: skip
def test_what_a_precision_costs_is_said_where_guides_give_it(variant, dtype, said):
    plan = dataclasses.replace(made_plan("measured"), variant=variant, dtype=dtype)
    text = plan_details.quality(plan)
    assert (said in text and "not measured" in text) if said else text == ""
    assert (text in plan_details.lines(plan)) == bool(said)
