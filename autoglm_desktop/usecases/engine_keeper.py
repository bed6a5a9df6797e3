"""The engine of a session: loaded by the ladder, ended, noted when it died, and loaded again for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.errors import AppError, EngineError
from ..host.outcome import Exit
from ..host.supervisor import LadderFailed, Running
from ..store.transfer.ending import to_the_end
from .aftermath import Aftermath
from .answers import Answers
from .card_watch import Free
from .deaths import Broken
from .joined import Joined
from .loading import Wishes
from .run_watch import RunWatch
from .session_state import Board
from .targets import Target
from .walk import Walker


class EngineKeeper:
    """At most one engine. ``target`` and ``wishes`` are what is loaded, or would be loaded again; ``fruitless`` counts
    the loads that ended without an engine. ``on_ready`` is called when one is there. On the loop's thread; who loads
    and ends takes turns (usecases.turns)."""

    def __init__(
        self,
        walker: Walker,
        board: Board,
        after: Aftermath,
        answers: Answers,
        gpu_free: Free,
        on_ready: Callable[[], None],
    ) -> None:
        self._walker, self._board, self._after, self._answers = walker, board, after, answers
        self._gpu_free, self._on_ready = gpu_free, on_ready
        self.running: Running | None = None
        self.watch: RunWatch | None = None
        self.target: Target | None = None
        self.wishes = Wishes()
        self.fruitless = 0
        self._walking: asyncio.Future[Running] | None = None
        self._closed = False
        self._mending = asyncio.Lock()
        self._fallen: Running | None = None
        self._again = Joined(self._load_again)

    @property
    def living(self) -> Running | None:
        """The engine, unless it has ended."""
        running = self.running
        return running if running is not None and running.process.exit is None else None

    def show(self, phase: str, **values: object) -> None:
        """Show another phase of the target."""
        self._board.renew(phase, self.target, locked=self.wishes.rung, **values)

    async def load(self, target: Target, wishes: Wishes) -> None:
        """Load a target, ending what was loaded. Cancelling ends the engine being started. Raises AppError."""
        failed = self._after.tries
        self.target, self.wishes = target, wishes
        walking = self._walking = asyncio.ensure_future(self._walk(target, wishes))
        try:
            running = await walking
        except AppError as error:
            self.fruitless += 1
            self._after.in_vain()
            tries = (*failed, *error.tries) if isinstance(error, LadderFailed) else failed
            self.show("failed", error=error, tries=tries)
            raise
        except asyncio.CancelledError:
            if not self._again.deserted:  # else who is next loads it for itself
                self.fruitless += 1
            if walking.done() and not walking.cancelled() and walking.exception() is None:
                # it came in the moment of the cancellation
                await to_the_end(walking.result().process.close())
            self.show("idle")
            raise
        except Exception:  # a bug, told by the caller; nobody shall wait for this load for ever
            self.show("failed")
            raise
        finally:
            self._walking = None
        if self._closed:  # it came in the moment of closing
            await running.process.close()
            raise asyncio.CancelledError
        self.running = running
        running.process.on_end = self._ended
        self.watch = RunWatch(running.plan, self._gpu_free, self._board.warn, running.proof.gpu_layers)
        self.show(
            "ready",
            engine=running.start.environment.description.name,
            plan=running.plan,
            proof=running.proof,
            tries=(*failed, *running.tries),
            memory=running.process.memory,
            tokens_per_s=running.proof.warm_up_tokens_per_s,
            file=running.start.files.model,
        )
        await self.watch.begin()
        self._on_ready()

    async def load_again(self) -> None:
        """Load what was loaded, once for all who ask; it ends when the last of them leaves. Raises as ``load``, and
        EngineError(no_model_loaded)."""
        await self._again.wait()

    def cancel_load(self) -> None:
        """Cancel a load that runs, whoever began it; who waits for it gets CancelledError."""
        if self._walking is not None:
            self._walking.cancel()
        elif self.living is None:
            self._again.cancel()  # it has not begun yet

    async def end(self) -> None:
        """End the engine; who answers is told that it was freed."""
        running, self.running = self.running, None
        if running is not None:
            running.process.on_end = None
            await running.process.close()

    def kill(self) -> None:
        """End the engine at once; ``end`` follows."""
        if self.running is not None:
            self.running.process.kill()

    async def close(self) -> None:
        """End the engine for good, and one that is being started."""
        self._closed = True
        walking = self._walking
        self.cancel_load()
        if walking is not None:
            await asyncio.wait({walking})
        await self.end()
        if self.watch is not None:
            self.watch.end()

    async def settled(self) -> None:
        """Wait until an engine that failed is gone and noted: no two at once, and never the same plan again."""
        async with self._mending:
            pass

    async def died(self, running: Running, broken: Broken) -> EngineError:
        """The error for a failed generation. An engine that lives on after more than a refusal is ended, and with it
        all of its answers; the first of them is told of, also where who asked has left."""
        error = broken.error(running.plan.rung)
        if broken.refused:
            return error
        async with self._mending:
            if running is not self._fallen:
                self._fallen = running
                await to_the_end(self._bury(running, broken, error))
        return error

    async def _bury(self, running: Running, broken: Broken, error: EngineError) -> None:
        if broken.end is None:
            self._answers.blame(running, broken.event)
            await self.end()
        await self._after.note(running, broken, self._walker.hardware)
        if not broken.freed:
            self._board.change(phase="failed", error=error, memory=None)

    async def _walk(self, target: Target, wishes: Wishes) -> Running:
        await self.end()
        if self._closed:
            raise asyncio.CancelledError
        self.show("loading", tries=self._after.tries)
        return await self._walker.walk(target, wishes, self._after.too_big)

    async def _load_again(self) -> None:
        if self.target is None:
            raise EngineError("no_model_loaded")
        await self.load(self.target, self.wishes)

    def _ended(self, end: Exit) -> None:
        if end.kind is not None:
            plan = self._board.state.plan
            rung = plan.rung if plan is not None else ""
            error = EngineError("engine_died", kind=end.kind, detail=end.message, rung=rung)
            self._board.change(phase="failed", error=error, memory=None)
