"""The chat tab: conversations, the transcript, the composer."""
