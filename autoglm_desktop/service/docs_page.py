"""The description of the routes as one page for people: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #e6e6e6; } a { color: #8ab4f8; } }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document as ``openapi.document`` makes it."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    routes = "".join(
        _route(method.upper(), path, told, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    )
    key = "<p>A key is needed: <code>Authorization: Bearer KEY</code>.</p>" if "security" in document else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{escape(info['description'])}</p>{key}"
        f'<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>{routes}</body></html>'
    )


def _route(method: str, path: str, told: dict[str, Any], schemas: dict[str, Any]) -> str:
    fields = ""
    if "requestBody" in told:
        name = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = _fields(schemas[name])
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in sorted(told["responses"].items())
    )
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(told['summary'])}</p>{fields}"
        f"<table><tr><th>Status</th><th></th></tr>{answers}</table>"
    )


def _fields(schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(value))}</td>"
        f"<td>{'required. ' if name in schema['required'] else ''}{escape(value.get('description', ''))}</td></tr>"
        for name, value in schema["properties"].items()
    )
    return f"<table><tr><th>Field</th><th>Type</th><th></th></tr>{rows}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        kinds = (_kind(one) for one in schema["anyOf"] if one != {"type": "null"})
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return f"only {schema['const']!r}"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "empty list"
    limits = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    text = str(schema.get("type", "anything"))
    return f"{text} ({' … '.join(limits)}{' or more' if len(limits) == 1 else ''})" if limits else text
