"""made_: a session that looks at screenshots, and what it replies."""

from pathlib import Path

from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.rungs import PhoneStep, RungPlan
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_session import FakeSession

TARGET = Target("made", Path("/made/model.gguf"))
PLAN = RungPlan("gguf-cpu", phone_step=PhoneStep(817, 2_000, 0, 150))
READY = SessionState(
    "ready", TARGET, plan=PLAN, proof=Proof("llama.cpp", "made", projector="cpu glm4v F16", context=8_192)
)
REPLY = ("<thi", "nk>why", " so</th", "ink>\n<answer>do(act", 'ion="Tap", element=[12,', "34])", "</answer>")


class LoadableSession(FakeSession):
    """Becomes ready when it is loaded."""

    def __init__(self, *pieces, after=READY, **values):
        super().__init__(*pieces, **values)
        self.after, self.wishes, self.loads = after, Wishes(rung="gguf-cpu"), []

    async def load(self, target, wishes):
        self.loads.append((target, wishes))
        self.state = self.after
        return self.state

    ensure = load
