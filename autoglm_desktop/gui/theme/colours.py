"""The named colours, light and dark. Text has a contrast of at least 4.5 : 1 (tests/gui/test_theme.py)."""

from __future__ import annotations

LIGHT = {
    "window": "#f5f6f8",
    "surface": "#ffffff",
    "raised": "#eceff3",
    "border": "#d5dae1",
    "text": "#1c2430",
    "muted": "#576274",
    "accent": "#2257d6",
    "accent_hover": "#1a47b3",
    "accent_soft": "#e3ebfd",
    "on_accent": "#ffffff",
    "good": "#19713f",
    "good_soft": "#def3e6",
    "warn": "#8a5300",
    "warn_soft": "#fdf0d5",
    "bad": "#b42318",
    "bad_soft": "#fde7e4",
    "code": "#f0f2f6",
    "bubble": "#e3ebfd",
    "bar": "#dfe4eb",
    "selection": "#bcd0fb",
}

DARK = {
    "window": "#14171c",
    "surface": "#1c2027",
    "raised": "#262b34",
    "border": "#363d49",
    "text": "#e8ebf0",
    "muted": "#a3adbd",
    "accent": "#6f9bff",
    "accent_hover": "#8fb2ff",
    "accent_soft": "#22304f",
    "on_accent": "#0d1526",
    "good": "#63cf92",
    "good_soft": "#17352a",
    "warn": "#f0b656",
    "warn_soft": "#3b2e14",
    "bad": "#ff8d80",
    "bad_soft": "#43201d",
    "code": "#242932",
    "bubble": "#22304f",
    "bar": "#333a46",
    "selection": "#34508f",
}
