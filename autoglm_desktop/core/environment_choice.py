"""Which engine environments suit a machine and a rung, the best first, each with its reason. Pure.

What an environment's builds need is described in ``resources/environments.toml``; the facts behind the order stand in
docs/numbers.md, sections 3 and 7: published CUDA builds of llama.cpp leave out AVX2, so a model that is shared with the
processor goes by Vulkan or by a build made here; bitsandbytes and torch's GPU builds are for NVIDIA alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .errors import Reason
from .limits import CAPABILITY, DRIVER_CUDA12, DRIVER_CUDA13, best_gpu, version
from .machine import Gpu, Machine

CUDA, VULKAN, METAL, CPU = "cuda", "vulkan", "metal", "cpu"
LLAMA, TRANSFORMERS = "llama.cpp", "transformers"
WHEEL, SOURCE = "wheel", "source"
KINDS = (WHEEL, SOURCE)
BUILT_HERE = "cuda_built_here"
NO_PROGRAMS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Build:
    """One way to get an environment, and what it needs. ``platforms``: ``linux-x86_64`` …, ``*`` is any.

    ``cuda``: the CUDA it is made with (``13.0``); ``capability`` and ``capability_most``: the cards it has code for;
    ``program``: what must be on the PATH to build it.
    """

    kind: str  # wheel | source
    platforms: tuple[str, ...] = ("*",)
    cuda: str | None = None
    capability: tuple[int, int] | None = None
    capability_most: tuple[int, int] | None = None
    program: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An environment that is described. ``device``: cuda | vulkan | metal | cpu."""

    name: str
    backend: str
    device: str
    builds: tuple[Build, ...]


@dataclass(frozen=True)
class Choice:
    """An environment that suits, and why it stands where it does. ``kinds``: ways to get it, the preferred first."""

    name: str
    reason: Reason
    kinds: tuple[str, ...] = KINDS


@dataclass(frozen=True)
class Place:
    """Where environments are to run: the machine, its platform's tag (``linux-x86_64``), programs on the PATH."""

    machine: Machine
    tag: str
    programs: Collection[str] = NO_PROGRAMS

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """NVIDIA cards."""
        return tuple(gpu for gpu in self.machine.gpus if gpu.vendor == "nvidia")


def choose(place: Place, rung: str, candidates: Iterable[Candidate]) -> tuple[Choice, ...]:
    """The environments that can run a rung here, the best first; empty where none can."""
    backend = TRANSFORMERS if rung.startswith("transformers") else LLAMA
    fits = [c for c in candidates if c.backend == backend and obstacle(place, c) is None]
    found = []
    for device, code in _order(place, rung, fits):
        kinds = (SOURCE, WHEEL) if code == BUILT_HERE else KINDS
        found += [Choice(c.name, Reason.of(code), kinds) for c in fits if c.device == device]
    return tuple(found)


def obstacle(place: Place, candidate: Candidate) -> Reason | None:
    """Why an environment can't work here; None where nothing known speaks against it."""
    if candidate.device == METAL and not place.tag.startswith("macos"):
        return Reason.of("no_build_for_system", system=place.tag)
    if candidate.device == CUDA and not place.cards:
        gpu = best_gpu(place.machine)
        return Reason.of("needs_nvidia", gpu=gpu.name or gpu.vendor) if gpu else Reason.of("no_gpu")
    if candidate.device == VULKAN:
        return _vulkan_obstacle(place) or _no_build(place, candidate)
    return _no_build(place, candidate)


def usable(place: Place, builds: Iterable[Build]) -> tuple[Build, ...]:
    """The builds that can work here, in order; of those for CUDA the ones first that suit most cards."""
    here = [build for build in builds if _meant_for(build, place) and _suited(build, place) is not None]
    return tuple(sorted(here, key=lambda build: (build.kind != WHEEL, -(_suited(build, place) or 0))))


def build_obstacle(build: Build, gpu: Gpu, system: str | None) -> Reason | None:
    """What keeps a build for CUDA from a card. What neither tells is not judged. ``system``: whose driver it is."""
    cuda = version(build.cuda)
    driver, capability = version(gpu.driver_version), gpu.compute_capability
    if capability is not None and build.capability is not None and capability < build.capability:
        return Reason.of("card_too_old", capability=_dotted(capability), required=_dotted(build.capability))
    if capability is not None and build.capability_most is not None and capability > build.capability_most:
        return Reason.of("card_too_new", capability=_dotted(capability), most=_dotted(build.capability_most))
    if cuda is not None and driver is not None:
        old = DRIVER_CUDA12.get(system or "", DRIVER_CUDA12["Linux"])
        least = DRIVER_CUDA13 if cuda >= (13,) else old
        if driver < least:
            return Reason.of("driver_too_old", driver=gpu.driver_version, required=_dotted(least))
    return None


def _order(place: Place, rung: str, fits: list[Candidate]) -> list[tuple[str, str]]:
    """Kinds of devices in the order in which they suit a rung, with the reason of each."""
    if rung.startswith("transformers"):
        return [*_torch_cuda(place, rung), (CPU, "torch_on_cpu")]
    if rung.startswith("gguf-cpu"):
        return [(CPU, "llama_on_cpu")]
    if (
        place.machine.os.container
    ):  # NVIDIA's containers bring CUDA; Vulkan only where the image was made for it
        return [(METAL, "metal_here"), (CUDA, "cuda_in_container"), (VULKAN, "vulkan_any_card")]
    if rung == "gguf-split":
        own = any(c.device == CUDA and _built_here(place, c) for c in fits)
        cuda = [(CUDA, BUILT_HERE if own else "cuda_without_avx2")]
        vulkan = [(VULKAN, "vulkan_for_split")]
        return [(METAL, "metal_here"), *(cuda + vulkan if own else vulkan + cuda)]
    return [(METAL, "metal_here"), (CUDA, "cuda_fastest"), (VULKAN, "vulkan_any_card")]


def _torch_cuda(place: Place, rung: str) -> list[tuple[str, str]]:
    """Nothing where no card is new enough for the rung."""
    needed = CAPABILITY.get(rung, (0, 0))
    able = [gpu for gpu in place.cards if gpu.compute_capability is None or gpu.compute_capability >= needed]
    return [(CUDA, "torch_on_gpu")] if able else []


def _vulkan_obstacle(place: Place) -> Reason | None:
    if not place.machine.gpus:
        return Reason.of("no_gpu")
    if place.machine.os.wsl:
        return Reason.of("no_vulkan_in_wsl")
    return None


def _no_build(place: Place, candidate: Candidate) -> Reason | None:
    if usable(place, candidate.builds):
        return None
    meant = [build for build in candidate.builds if _meant_for(build, place)]
    gpu = best_gpu(place.machine)
    card = gpu if gpu in place.cards else next(iter(place.cards), None)
    if meant and candidate.device == CUDA and card is not None:
        told = [build_obstacle(build, card, place.machine.os.driver_system) for build in reversed(meant)]
        found = [reason for reason in told if reason is not None]
        if found:  # a driver can be had; a card is what it is
            return next((reason for reason in found if reason.code == "driver_too_old"), found[0])
    return Reason.of("no_build_for_system", system=place.tag)


def _built_here(place: Place, candidate: Candidate) -> bool:
    """Whether a build from source would be used: it knows this processor."""
    return any(build.kind == SOURCE for build in usable(place, candidate.builds))


def _meant_for(build: Build, place: Place) -> bool:
    """By platform, and by the program that it takes."""
    here = "*" in build.platforms or place.tag in build.platforms
    return here and (build.program is None or build.program in place.programs)


def _suited(build: Build, place: Place) -> int | None:
    """How many cards it has code for; None: none of those that are here. 0 where it is not for CUDA."""
    if build.cuda is None:
        return 0
    system = place.machine.os.driver_system
    count = sum(build_obstacle(build, gpu, system) is None for gpu in place.cards)
    return count or None


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)
