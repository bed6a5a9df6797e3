"""What stands around the routes: the line in the log with its counts, who may call, how large a body may be."""

from __future__ import annotations

from fastapi import FastAPI

from .access_log import AccessLog
from .guard import Guard
from .limits import Limits
from .parts import Parts


def wrap(app: FastAPI, parts: Parts) -> None:
    """Put the middlewares around ``app``; what is added last is outermost."""
    app.add_middleware(Limits, options=parts.options)
    app.add_middleware(Guard, options=parts.options)
    app.add_middleware(AccessLog, report=parts.metrics.request)
