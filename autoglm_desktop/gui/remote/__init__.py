"""The dialog of remote servers."""
