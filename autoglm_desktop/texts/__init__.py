"""Codes and numbers of ``core`` as sentences in the user's language. One place for window, terminal and JSON."""
