"""Made states of downloads for pictures: what the queue holds, dialogs, listings."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from autoglm_desktop.core.downloads import DownloadsState, FileProgress
from autoglm_desktop.core.errors import AppError, Reason, TransferError
from autoglm_desktop.core.outlook import Outlook, RepositoryPlans
from autoglm_desktop.core.rungs import Basis, DeviceMemory, RungPlan
from autoglm_desktop.core.units import GIB
from autoglm_desktop.gui.models.unfinished import begun
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.store.transfer.journal import Unfinished
from autoglm_desktop.usecases import opening
from autoglm_desktop.usecases.model_list import MadeHere
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import of_local
from tests.fakes.fake_downloads import GATED, keep_header, made_item, made_plan, made_progress, made_update

LONG = "一个名字很长的仓库/Some-Very-Long-Model-Name-Instruct-Merged-Abliterated-128k-i1-GGUF"


def _items():
    """name → the items of the queue."""
    short = made_progress(
        done_bytes=int(0.4 * GIB), rate=None, time_left_s=None, sources=("hf-mirror",),
        notice=Reason.of("server_trouble", status=503),
    )  # fmt: skip
    second = made_item(
        "queued", "2", title="GLM-Edge-1.5B-Chat", variant="Q8_0", done_bytes=0, total_bytes=None
    )
    return {
        "running": (made_item(progress=made_progress()), second),
        "listing": (made_item(done_bytes=0, total_bytes=None),),
        "notice": (made_item(progress=short),),
        "verify": (made_item(progress=made_progress(stage="verify", done_bytes=int(7.4 * GIB), rate=None)),),
        "waiting": (made_item("waiting", progress=made_progress()),),
        "paused": (made_item("paused"), second),
        "interrupted": (made_item("paused", interrupted=True), made_item("paused", "2", title=LONG, interrupted=True)),
        "gated": (made_item("failed", title=LONG, variant="Q4_K_M", error=GATED),),
        "full": (
            made_item("failed", error=AppError(
                "disk_full", path="/made/AutoGLM/models", needed=int(4.9 * GIB), free=int(1.2 * GIB))),
        ),
        "corrupt": (
            made_item("failed", error=TransferError(
                "download_corrupt", name="AutoGLM-Phone-9B-Q4_K_M.gguf", source="hf-mirror")),
        ),
        "done": (
            made_item("done", plan=made_plan(Path("/made/models/made+AutoGLM-Phone-9B-GGUF"), "a.gguf")),
            made_item("done", "2", title=LONG, variant="IQ4_XS"),
        ),
        "elsewhere": (made_item(elsewhere=True),),
        "outlook": (_outlook("runs"),),
        "outlook-cannot": (_outlook("cannot"),),
        "notes": (
            made_item(progress=made_progress(), plan=replace(
                made_plan(Path("/made"), "a.gguf"), notes=(
                    Reason.of("no_projector_there", repo=LONG),
                    Reason.of("no_mrope", name="AutoGLM-Phone-9B-Q4_K_M.gguf")))),
        ),
        "many": (
            made_item(progress=made_progress(files=tuple(
                FileProgress(f"model-{n:05}-of-00050.safetensors", "done" if n < 4 else "fetch" if n < 8 else "queued",
                             n * 1000, 5 * GIB) for n in range(1, 51)))),
        ),
    }  # fmt: skip


def queue(name):
    def act(page):
        page.fetching.downloads._show(DownloadsState(_items()[name]))
        page.verticalScrollBar().setValue(0)

    return act


def in_window(*names):
    """One state after the other, seen from another page."""

    def act(contents):
        for name in names:
            contents.models.fetching.downloads._show(DownloadsState(_items()[name]))

    return act


def unfolded(name):
    def act(page):
        queue(name)(page)
        for card in page.fetching.section.cards.values():
            card.fold_button.click()

    return act


def chattable(page):
    queue("done")(page)
    page.fetching.section.set_chattable(frozenset(("1",)))


def dialog(ask):
    """The dialog itself is the picture."""

    def act(page):
        ask(page)
        return page.fetching.dialog or page.disk.dialog

    return act


def listing(page):
    from autoglm_desktop.core.repository import offers
    from tests.fakes.fake_downloads import made_listing

    found = made_listing()
    page.fetching.repository.field.setText(found.repo)
    page.fetching.repository.show_listing(found, offers(found))
    page.fetching.repository.refused_button.click()


def _opened(page, work, *targets):
    """Variants of the catalogue unfolded; ``work`` takes the place of reading their headers."""
    page.opening._actions = replace(page.opening._actions, open_variant=work)
    for target in targets:
        page.cards[0].names[target].opener.click()


async def _endless(*_parts):
    await asyncio.Event().wait()


def opened(page):
    """One was read, the next is being read."""
    from tests.gui.states import until

    path = page._services.home / "made-header.gguf"
    write_tiny_glm4(path, layers=40, hidden=1024, weight_type="Q4_K_M")

    async def keep(services, *_parts):
        form = services.library.catalog.models[0].variant("Q4_K_M")
        keep_header(services, form.sources[0].repo, "Q4_K_M", path)

    phone = "autoglm-phone-9b:"
    _opened(page, keep, f"{phone}Q4_K_M")
    until(lambda: page.cards[0].details[f"{phone}Q4_K_M"].entry.plan.basis.memory == "header")
    _opened(page, _endless, f"{phone}Q8_0")


def opened_in_vain(page):
    from tests.gui.states import until

    async def refuse(*_parts):
        raise AppError("header_slow", target="autoglm-phone-9b:Q4_K_M", seconds=5.0)

    _opened(page, refuse, "autoglm-phone-9b:Q4_K_M")
    until(lambda: page.opening.problem("autoglm-phone-9b:Q4_K_M") is not None)


def _list(page, work):
    from tests.gui.states import until

    page.opening._actions = replace(page.opening._actions, open_repository=work)
    page.fetching.repository.field.setText("made/Some-Model-9B-GGUF")
    page.fetching.repository.list_button.click()
    until(lambda: bool(page.fetching.repository.buttons))


def listing_read(page):
    _list(page, _endless)


def listing_judged(page):
    """As the catalogue's own repository would be; one of them unfolded."""
    from tests.gui.states import until

    async def judge(services, check, found, offers_found, _fetch):
        repo = "ggml-org/AutoGLM-Phone-9B-GGUF"
        return await opening.open_repository(
            services, check, replace(found, repo=repo), offers_found, fetch=False
        )

    _list(page, judge)
    card = page.fetching.repository
    until(lambda: bool(card.summary.text()) and page.opening.reading is None)
    page.opening._actions = replace(page.opening._actions, open_offer=_endless)
    card.table.names["made/Some-Model-9B-GGUF:Q4_K_M"].opener.click()


def listing_in_vain(page):
    async def refuse(*_parts):
        return RepositoryPlans(problem=GATED)

    _list(page, refuse)


def _outlook(name):
    """A download whose header was read: it runs, or it does not."""
    why = Reason.of("ram_short", needed_bytes=11 * GIB, free_bytes=5 * GIB, short_bytes=6 * GIB)
    ram = DeviceMemory(total=8 * GIB, available=11 * GIB)
    runs = RungPlan("gguf-cpu", "Q4_K_M", status="fits", memory={"ram": ram}, basis=Basis("header"))
    place = Reason.of("place_gguf-cpu")
    well = Reason.of("phone_runs", variant="Q4_K_M", place=place, measured=True, step_s=41.0)
    slow = AppError("header_slow", target="autoglm-phone-9b:Q8_0", seconds=5.0)
    found = {
        "runs": Outlook("runs", well, runs, "phone"),
        "cannot": Outlook("cannot", Reason.of("cannot_here", why=why), None, "phone", "Q4_K_M", slow),
    }
    return made_item(
        progress=made_progress(), plan=replace(made_plan(Path("/made"), "a.gguf"), outlook=found[name])
    )


def listing_failed(page):
    page.fetching.repository.field.setText("made/gated-model")
    page.fetching.repository.show_error(GATED)


def many_offers(page):
    """Every type there is, some in parts, a vision part, one that is here; names as long as they come."""
    from autoglm_desktop.core.repository import RemoteFile, make_listing, offers

    types = (
        "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_M", "Q2_K", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "Q3_K_L", "IQ4_XS",
        "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "UD-Q4_K_XL",
    )  # fmt: skip
    name = "Some-Very-Long-Model-Name-Instruct-Merged-Abliterated-128k-i1"
    entries = [RemoteFile(f"{name}.{kind}.gguf", (20 + n) * GIB // 8) for n, kind in enumerate(types)]
    parts = [f"BF16/{name}-BF16-{n:05}-of-00007.gguf" for n in range(1, 8)]
    entries += [RemoteFile(part, 45 * GIB) for part in parts]
    entries += [RemoteFile(f"mmproj-{name}-F16.gguf", GIB), RemoteFile("Q8_0.gguf", None)]
    entries += [RemoteFile(f"{name}-{part}.Q3_K_S.gguf", 3 * GIB) for part in ("imat", "static-first-half")]
    found = make_listing("hf-mirror", f"made-owner/{name}-GGUF", "c" * 40, entries)
    page.fetching.repository.show_installed(frozenset((f"{found.repo}:q4_k_m".casefold(),)))
    page.fetching.repository.field.setText(found.repo)
    page.fetching.repository.show_listing(found, offers(found))


def bad_name(page):
    page.fetching.repository.field.setText("llama")
    page.fetching.repository.list_button.click()


def unfinished(page):
    folder = page._services.models
    found = [
        Unfinished(folder / "made" / "Model-GGUF" / "Model-Q4_K_M.gguf", 5 * GIB, 2 * GIB),
        Unfinished(folder / "made" / "Model-GGUF" / "mmproj-F16.gguf", GIB, 0),
        Unfinished(folder.joinpath(*LONG.split("/"), "x-Q8_0.gguf"), 9 * GIB, 8 * GIB),
    ]
    page.unfinished.show_begun(begun(found, folder, ()))


def made_here(page):
    folder = page._services.models / "made"
    page.here.made.show_made(
        (
            MadeHere(
                folder / "a" / "p-Q8_0.gguf", 900 << 20, "mmproj-AutoGLM-Phone-9B-F16.gguf", "Q8_0", True
            ),
            MadeHere(folder / "b" / "f", 6 * GIB, "AutoGLM-Phone-9B", "nf4"),
            MadeHere(folder / "b" / "g", 5 * GIB, LONG, "nf4-lean"),
        )
    )
    page.ensureWidgetVisible(page.here.made)


def verified_badly(page):
    bad = "Made-long-name.gguf: damaged: it is not what was published (Hugging Face). Delete it and get it again."
    page.rows[1].say("fail", bad)
    page.rows[2].say("warn", "It is whole; for some files no hash is known to compare with.")


def updates(page):
    page.fetching.updates.show_updates(
        (
            made_update("made/AutoGLM-Phone-9B-GGUF", "a"),
            made_update(LONG, "b"),
            made_update(
                "made/gone", None, TransferError("download_not_found", source="huggingface", repo="made/gone")
            ),
        )
    )  # fmt: skip


def own_address(page):
    page.fetching.source.set_source("https://hub.example.com/made")
    page.fetching.source._show_address(True)


def working(page):
    row = page.rows[1]
    row.show_work("Checking · 3.1 of 5.7 GiB", 0.54)
    page.rows[2].say("ok", "It is exactly the file that was published.")
    page.disk.card.show_work("Moving · 3.1 of 9.4 GiB", 0.33)


def ask_cancel(page):
    page.fetching._ask_cancel(made_item(progress=made_progress()))


def ask_delete(page):
    page.disk.ask_delete(page.rows[0].entry.local.path)


def ask_delete_loaded(page):
    target = of_local(page.rows[1].entry.local)
    page._session._show(SessionState("ready", target))
    page.disk.ask_delete(target.file)


def ask_discard(page):
    queue("interrupted")(page)
    page.fetching._ask_discard()


def token_kept(page):
    from tests.gui.states import until

    page.fetching._actions = replace(page.fetching._actions, token_where=lambda _services, _name: "keyring")
    page.fetching.ask_for_token("modelscope")
    until(lambda: not page.fetching.dialog.forget_button.isHidden())


def ask_token(page):
    page.fetching.ask_for_token("huggingface", GATED)


def ask_move(page):
    page.disk._pick = lambda _parent, _title: "/made/大硬盘/AutoGLM models"
    page.disk.ask_move()


ON_EMPTY = {f"downloads-{name}": queue(name) for name in _items()}
ON_EMPTY |= {
    "downloads-files": unfolded("running"),
    "downloads-many-files": unfolded("many"),
    "downloads-chat": chattable,
    "downloads-own-address": own_address,
    "downloads-updates-busy": lambda page: page.fetching.updates.show_busy(),
    "downloads-updates-none": lambda page: page.fetching.updates.show_updates(()),
}
ON_EMPTY |= {
    "models-opened": opened,
    "models-opened-in-vain": opened_in_vain,
    "downloads-repository-reading": listing_read,
    "downloads-repository-judged": listing_judged,
    "downloads-repository-in-vain": listing_in_vain,
}
ON_FILES = {
    "downloads-repository": listing,
    "downloads-repository-failed": listing_failed,
    "downloads-repository-many": many_offers,
    "downloads-repository-bad": bad_name,
    "downloads-unfinished": unfinished,
    "models-made": made_here,
    "downloads-verified": verified_badly,
    "downloads-updates": updates,
    "downloads-working": working,
}
DIALOGS = {
    "dialog-cancel": ask_cancel,
    "dialog-token": ask_token,
    "dialog-token-plain": lambda page: page.fetching.ask_for_token("auto"),
    "dialog-move": ask_move,
    "dialog-delete": ask_delete,
    "dialog-delete-loaded": ask_delete_loaded,
    "dialog-discard": ask_discard,
    "dialog-token-kept": token_kept,
}
