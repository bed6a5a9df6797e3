"""The settings of a conversation."""
