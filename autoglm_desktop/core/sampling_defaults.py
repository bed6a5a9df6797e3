"""How a model samples when nobody says otherwise: as its makers do, as far as the catalogue knows. Pure."""

from __future__ import annotations

import dataclasses

from . import demo
from .catalog import Catalog, StatedSampling
from .protocol import Sampling


def defaults(model: str | None, catalog: Catalog) -> Sampling:
    """``model``: a catalogue id, or what a remote server calls it. What the catalogue doesn't tell is ``Sampling()``'s
    own, for an unknown model all of it."""
    if demo.is_demo(model):
        return demo.SAMPLING
    found = catalog.called(model) if model else None
    return filled(found.sampling) if found is not None and found.sampling is not None else Sampling()


def filled(stated: StatedSampling) -> Sampling:
    """What is stated, and ``Sampling()``'s own for the rest."""
    names = {field.name for field in dataclasses.fields(Sampling)}
    told = {
        field.name: getattr(stated, field.name)
        for field in dataclasses.fields(stated)
        if field.name in names and getattr(stated, field.name) is not None
    }
    return Sampling(**told)
