"""Readable in both schemes, and no placeholder left in the style sheet."""

import re

import pytest

from autoglm_desktop.gui.theme.colours import DARK, LIGHT
from autoglm_desktop.gui.theme.theme import style_sheet

PAIRS = [
    ("text", "window"), ("text", "surface"), ("text", "raised"), ("text", "bubble"), ("text", "selection"),
    ("text", "code"), ("muted", "window"), ("muted", "surface"), ("muted", "raised"), ("on_accent", "accent"),
    ("on_accent", "accent_hover"), ("accent", "surface"), ("accent", "accent_soft"), ("good", "good_soft"),
    ("good", "surface"), ("warn", "warn_soft"), ("warn", "surface"), ("bad", "bad_soft"), ("bad", "surface"),
    ("code_comment", "code"), ("code_keyword", "code"), ("code_string", "code"), ("code_number", "code"),
    ("code_name", "code"), ("code_removed", "code"), ("muted", "code"), ("accent", "code"),
    ("text", "warn_soft"), ("text", "bad_soft"), ("text", "accent_soft"),
]  # fmt: skip


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """WCAG 2.1's contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_text_can_be_read(scheme, pair):
    front, ground = pair
    assert contrast(scheme[front], scheme[ground]) >= 4.5


def test_both_schemes_name_the_same_colours():
    assert set(LIGHT) == set(DARK)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_style_sheet_has_no_unknown_colour(scheme):
    assert not re.findall(r"@\w+", style_sheet(scheme))
