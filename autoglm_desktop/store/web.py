"""What the network is asked with: one HTTP client, the keys, the sources. Made when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .keys import Keys

if TYPE_CHECKING:
    import httpx

    from .sources.base import Source
    from .transfer.client import Limits


@dataclass
class Web:
    """Belongs to one event loop at a time. ``limits`` None: the usual ones; ``environment`` None: this process's."""

    keys: Keys = field(default_factory=Keys)
    limits: Limits | None = None
    environment: Mapping[str, str] | None = None
    _client: httpx.AsyncClient | None = field(default=None, repr=False)
    _sources: dict[str, Source] = field(default_factory=dict, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)

    @property
    def client(self) -> httpx.AsyncClient:
        from .transfer.client import make_client

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = make_client(self.limits), loop
            self._sources.clear()
        return self._client

    def source(self, name: str) -> Source:
        """The source of a name, an address or a folder. Raises TransferError."""
        from .sources.choose import make_source

        client = self.client
        if name not in self._sources:
            self._sources[name] = make_source(
                client, name, self.keys.get, limits=self.limits, environment=self.environment
            )
        return self._sources[name]

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
