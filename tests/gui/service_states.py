"""States of the Service page for tests.gui.render. Addresses, requests, replies and numbers in them are made up."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget

from autoglm_desktop.core.errors import ServiceError
from autoglm_desktop.core.phone_actions import read_step
from autoglm_desktop.core.protocol import MemoryUse, Proof
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.service.model import ServiceModel
from autoglm_desktop.gui.service.page import ServicePage
from autoglm_desktop.gui.service.trial import Order, TrialController
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.usecases.agent_trial import Asked, Greeted, Heard, Screen, Stepped
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.serve_gate import Asking, Live
from autoglm_desktop.usecases.service_control import ServiceControl, ServiceState
from autoglm_desktop.usecases.service_settings import LanAddress
from autoglm_desktop.usecases.services import Services, create_services
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import Target

Until = Callable[[Callable[[], bool]], None]
TARGET = Target("AutoGLM-Phone-9B Q4_K_M", Path("/made/model.gguf"), "autoglm-phone-9b", "Q4_K_M")
OTHER = Target("made-vision-7b.gguf", Path("/made/other.gguf"))
PROOF = Proof(
    "llama.cpp", "made", devices=(), projector="gpu glm4v F16", context=10_240,
)  # fmt: skip
READY = SessionState(
    "ready", TARGET, engine="llama-cpu", plan=RungPlan("gguf-cpu", "Q4_K_M"), proof=PROOF,
    memory=MemoryUse(resident_bytes=7 * 1024**3), tokens_per_s=6.4,
)  # fmt: skip
KEY = "made-key-Zx81-not-a-real-one-Qw7"
LAN = (
    LanAddress("wlan0", "192.168.1.20"),
    LanAddress("docker0", "172.17.0.1", virtual=True),
)
DAY = datetime.date(2026, 11, 21)
THOUGHT = "made: 现在在手机的主屏幕，设置在第二行的最右边，先打开它。"
REPLIES = (
    f'<think>{THOUGHT}</think>\n<answer>do(action="Tap", element=[847,661])',
    '<think>made: 在设置里，“显示与亮度”是第四项。</think>\n<answer>do(action="Tap", element=[500,451])',
    '<think>made: 深色模式的开关在最上面，现在是关的。</think>\n<answer>do(action="Tap", element=[865,292])',
)


@dataclasses.dataclass(frozen=True)
class At:
    """Where a service that doesn't run would listen."""

    host: str = "127.0.0.1"
    port: int = 8000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def serve_nowhere(session, options, on_ready, **parts) -> None:
    """A service that listens nowhere."""
    on_ready(At(options.host, options.port or 43_210))
    await asyncio.Event().wait()


def made_control(session: Session, services: Services) -> ServiceControl:
    return ServiceControl(session, services, None, lambda: serve_nowhere)


class NoKeyring:
    """A keyring that keeps nothing: the key is for this run."""

    priority = 0.0


class Stand:
    """The page over a service and a session that are not run."""

    def __init__(self, bridge: Bridge, home: Path) -> None:
        services = create_services(home)
        services.web.keys = Keys({}, NoKeyring)  # type: ignore[arg-type]
        self.session = SessionModel(bridge, Session(services, prepare))
        control = made_control(self.session.session, services)
        self.service = ServiceModel(bridge, services, control, lambda: LAN)
        self.controller = TrialController(bridge, clock=lambda: 0.0, today=lambda: DAY)
        self.page = ServicePage(
            bridge, services, self.session, None, control=control, service=self.service,
            controller=self.controller,
        )  # fmt: skip
        self.service.is_read = True
        self.session._show(READY)

    def show(self, phase: str = "on", **changes) -> Stand:
        address = At("0.0.0.0" if self.service.settings.lan else "127.0.0.1") if phase == "on" else None
        self.service._show(ServiceState(phase, address, **changes))
        return self

    def on_lan(self) -> Stand:
        self.service.settings = dataclasses.replace(
            self.service.settings, lan=True, key=KEY, key_where="keyring", on=True
        )
        self.service.addresses = LAN
        return self.show()


def screens() -> tuple[Screen, ...]:
    folder = Path(__file__).parents[2] / "resources" / "samples"
    return tuple(
        Screen((folder / f"made_phone_{name}.zh.png").read_bytes(), name)
        for name in ("home", "settings", "display")
    )


def stepped(number: int, reply: str) -> Stepped:
    seconds = (41.3, 18.2, 17.6)[number - 1]
    return Stepped(number, screens()[number - 1], read_step(reply), reply, seconds, seconds - 9.1, 7)


def order(**changes) -> Order:
    made = Order(
        "http://127.0.0.1:8000/v1", None, "打开系统设置里的深色模式", "zh", None, TARGET.name, phone=True
    )
    return dataclasses.replace(made, **changes)


def tried(stand: Stand, *replies: str, **changes) -> Stand:
    """A test that is over."""
    stand.show()
    stand.controller.order, stand.controller.greeted = order(**changes), Greeted(1.2, late=False)
    stand.controller.steps = tuple(stepped(number, reply) for number, reply in enumerate(replies, 1))
    stand.controller.changed.emit()
    return stand


def live(count: int, *, tokens: int = 0) -> tuple[Live, ...]:
    agent = Asking("/v1/chat/completions", "127.0.0.1", stream=True, pictures=1)
    other = Asking("/v1/completions", "192.168.1.31", stream=False)
    first = Live(41, agent, "answering", 0, 12.7, tokens)
    return (
        first,
        *(Live(41 + place, other, "waiting", place, 9.0 - place / 2, 0) for place in range(1, count)),
    )


def off(stand: Stand) -> None:
    stand.show("off")


def port_in_use(stand: Stand) -> None:
    stand.show("off", error=ServiceError("port_in_use", port="8000"))


def no_model(stand: Stand) -> None:
    stand.session._show(SessionState())
    stand.show()


def unloaded(stand: Stand) -> None:
    stand.session._show(SessionState("idle", TARGET, unloaded="idle"))
    stand.show()


def small(stand: Stand) -> None:
    stand.session._show(dataclasses.replace(READY, proof=dataclasses.replace(PROOF, context=4_096)))
    stand.show()


def tight(stand: Stand) -> None:
    stand.session._show(dataclasses.replace(READY, proof=dataclasses.replace(PROOF, context=8_192)))
    stand.show()


def blind(stand: Stand) -> None:
    stand.session._show(dataclasses.replace(READY, proof=dataclasses.replace(PROOF, projector=None)))
    stand.show()


def requests(stand: Stand) -> None:
    stand.show()
    stand.show(requests=live(3, tokens=96), begun=42, tokens=3_481)


def crowd(stand: Stand) -> None:
    stand.on_lan()
    stand.show(requests=live(14), begun=42, tokens=3_481)


def key_shown(stand: Stand) -> None:
    stand.on_lan()
    stand.page.key.show_button.click()
    stand.page.options.hosts.setText("my pc!")
    stand.page.options.hosts.editingFinished.emit()


def running(stand: Stand) -> None:
    stand.show(requests=live(1), begun=2, tokens=5)
    controller = stand.controller
    controller.order, controller.greeted = order(), Greeted(1.2, late=False)
    controller.steps = (stepped(1, REPLIES[0]),)
    controller.asked = Asked(2, screens()[1], 128_000)
    controller.heard = Heard(2, "", 0, None, 7)
    controller._begun = -37.0
    controller._job = object()  # type: ignore[assignment]
    controller.changed.emit()


def failed(stand: Stand) -> None:
    stand.show()
    controller = stand.controller
    controller.order, controller.greeted = order(), Greeted(1.2, late=False)
    controller.asked = Asked(1, screens()[0], 128_000)
    text = "made: the prompt needs 6,412 tokens, and the context has room for 4,096"
    controller.error = ServiceError("trial_refused", status="400", detail=text)
    controller.changed.emit()


def own(stand: Stand) -> None:
    stand.page.trial.choose(
        Path("/made/pictures/a folder with a long name/Screenshot_2026-11-21-09-41-00_1.png")
    )
    tried(stand, 'finish(message="made: 深色模式已经打开。")')


def service_states(until: Until) -> dict[str, Callable[[Bridge, Path], QWidget]]:
    """Name → how to build the page."""

    def state(arrange: Callable[[Stand], object]) -> Callable[[Bridge, Path], QWidget]:
        def build(bridge: Bridge, home: Path) -> QWidget:
            stand = Stand(bridge, home)
            arrange(stand)
            return stand.page

        return build

    def unparsed(stand: Stand) -> None:
        tried(
            stand, REPLIES[0], "made: I see the settings of a phone. What shall I do with them?",
            model=OTHER.name, phone=False,
        )  # fmt: skip

    return {
        "service-off": state(off),
        "service-starting": state(lambda stand: stand.show("starting")),
        "service-on": state(lambda stand: stand.show()),
        "service-lan": state(Stand.on_lan),
        "service-port": state(port_in_use),
        "service-no-model": state(no_model),
        "service-unloaded": state(unloaded),
        "service-blind": state(blind),
        "service-small": state(small),
        "service-tight": state(tight),
        "service-requests": state(requests),
        "service-crowd": state(crowd),
        "service-key": state(key_shown),
        "service-test-running": state(running),
        "service-test-ok": state(lambda stand: tried(stand, *REPLIES)),
        "service-test-unparsed": state(unparsed),
        "service-test-failed": state(failed),
        "service-test-own": state(own),
    }
