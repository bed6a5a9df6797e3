"""The tables of the conversations. PRAGMA user_version counts the migrations that were done."""

from __future__ import annotations

MIGRATIONS = (
    (
        """CREATE TABLE conversations (
            id INTEGER PRIMARY KEY, title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL)""",
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            role TEXT NOT NULL, text TEXT NOT NULL, created REAL NOT NULL,
            model TEXT, rung TEXT, tokens INTEGER, tokens_per_s REAL, first_token_s REAL, dropped INTEGER,
            finish_reason TEXT)""",
        "CREATE INDEX messages_by_conversation ON messages(conversation, id)",
    ),
    (
        "ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE conversations ADD COLUMN head INTEGER",
        "ALTER TABLE conversations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE conversations ADD COLUMN deleted REAL",
        "ALTER TABLE messages ADD COLUMN parent INTEGER",
        "ALTER TABLE messages ADD COLUMN prompt_tokens INTEGER",
        "ALTER TABLE messages ADD COLUMN thinking_s REAL",
        "ALTER TABLE messages ADD COLUMN endpoint TEXT",
        "ALTER TABLE messages ADD COLUMN unseen INTEGER",
        "ALTER TABLE messages ADD COLUMN deleted REAL",
        "ALTER TABLE messages ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0",
        """UPDATE messages SET parent = (SELECT max(before.id) FROM messages AS before
            WHERE before.conversation = messages.conversation AND before.id < messages.id)""",
        """UPDATE conversations SET head =
            (SELECT max(id) FROM messages WHERE messages.conversation = conversations.id)""",
        "CREATE INDEX messages_by_parent ON messages(conversation, parent)",
        "CREATE INDEX messages_to_index ON messages(id) WHERE indexed = 0",
        """CREATE TABLE pictures (
            message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE, position INTEGER NOT NULL,
            sha256 TEXT NOT NULL, extension TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
            size_bytes INTEGER NOT NULL, name TEXT NOT NULL, most_tokens INTEGER,
            PRIMARY KEY (message, position))""",
        "CREATE INDEX pictures_by_content ON pictures(sha256)",
        """CREATE TABLE drafts (
            conversation INTEGER PRIMARY KEY, text TEXT NOT NULL, pictures TEXT NOT NULL DEFAULT '[]')""",
        "CREATE TABLE search_state (version INTEGER NOT NULL)",
    ),
)
"""Statements that bring a file from version N to N + 1. ``parent`` has no foreign key: a chain of 10,000 would be
deeper than SQLite lets a cascade go (1,000). ``drafts.conversation`` 0: the conversation that is not begun yet."""

CONVERSATION_COLUMNS = ("id", "title", "created", "updated", "pinned", "head", "settings")
FACT_COLUMNS = (
    "model", "rung", "tokens", "tokens_per_s", "first_token_s", "dropped", "prompt_tokens", "thinking_s", "endpoint",
    "unseen",
)  # fmt: skip
MESSAGE_COLUMNS = (
    "id", "conversation", "role", "text", "created", *FACT_COLUMNS, "finish_reason", "parent",
)  # fmt: skip
PICTURE_COLUMNS = ("sha256", "extension", "width", "height", "size_bytes", "name", "most_tokens")

NEEDED = (
    f"SELECT {', '.join(CONVERSATION_COLUMNS)}, deleted FROM conversations LIMIT 1",
    f"SELECT {', '.join(MESSAGE_COLUMNS)}, deleted, indexed FROM messages LIMIT 1",
    f"SELECT message, position, {', '.join(PICTURE_COLUMNS)} FROM pictures LIMIT 1",
    "SELECT conversation, text, pictures FROM drafts LIMIT 1",
    "SELECT version FROM search_state LIMIT 1",
)
"""What a file of a newer version must answer to be shown."""
