"""The keeper of the engine: a load that is cancelled at the moment it succeeds leaves no engine behind."""

import asyncio
from types import SimpleNamespace

from autoglm_desktop.host.crashes import CrashMemory
from autoglm_desktop.usecases.aftermath import Aftermath
from autoglm_desktop.usecases.answers import Answers
from autoglm_desktop.usecases.engine_keeper import EngineKeeper
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.session_state import Board
from autoglm_desktop.usecases.targets import Target


class Process:
    exit, closed = None, False

    async def close(self):
        self.closed = True


class Walker:
    """Its walk ends when it is told to."""

    hardware = ""

    def __init__(self):
        self.process, self.end = Process(), asyncio.get_running_loop().create_future()

    async def walk(self, _target, _wishes, _too_big):
        await self.end
        return SimpleNamespace(process=self.process)


def test_a_load_that_is_cancelled_when_its_engine_is_there_ends_the_engine(tmp_path):
    async def work():
        board, after, walker = Board(), Aftermath(CrashMemory(tmp_path / "crashes.json")), Walker()
        keeper = EngineKeeper(walker, board, after, Answers(board, after), None, lambda: None)
        loading = asyncio.ensure_future(keeper.load(Target("made", tmp_path / "made.gguf"), Wishes()))
        while keeper._walking is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        walker.end.set_result(None)
        asyncio.get_running_loop().call_soon(loading.cancel)  # right behind the walk's last step
        (end,) = await asyncio.gather(loading, return_exceptions=True)
        return type(end), walker.process.closed, keeper.running, board.state.phase

    assert asyncio.run(work()) == (asyncio.CancelledError, True, None, "idle")
