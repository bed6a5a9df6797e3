"""made_: a session for the service's tests whose model looks at pictures, or is loaded so that it does."""

import dataclasses

from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_session import TARGET, FakeSession

PLAN = RungPlan("gguf-cpu", context=10_240, phone_step=PhoneStep(3354, 2000, 0, 200))
SEES = SessionState(
    "ready",
    TARGET,
    engine="llama-cpu",
    plan=PLAN,
    proof=Proof("llama.cpp", "made", projector="cpu", context=10_240),
)
BLIND = dataclasses.replace(SEES, proof=Proof("llama.cpp", "made", context=10_240))
IDLE = SessionState("idle", TARGET)


class Loadable(FakeSession):
    """Becomes ``after`` when it is loaded."""

    def __init__(self, *pieces, state=SEES, after=SEES):
        super().__init__(*pieces, state=state)
        self.after, self.wishes, self.loads = after, Wishes(rung="gguf-cpu"), []

    async def ensure(self, target, wishes):
        self.loads.append((target, wishes))
        self.state = self.after
        return self.state
