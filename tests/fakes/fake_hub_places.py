"""TEMPORARY stand-in until store/transfer/web.py exists."""
from contextlib import asynccontextmanager
from urllib.parse import quote
import httpx
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.store.transfer.place import Reply, TransferError, TryAgain

class Stub:
    def __init__(self, client, name, url, size, sha256, token):
        self.client, self.name, self.url, self.size, self.sha256, self.token = client, name, url, size, sha256, token
    @asynccontextmanager
    async def open(self, start, end):
        h = {"Range": f"bytes={start}-" + ("" if end is None else str(end - 1))}
        if self.token: h["Authorization"] = "Bearer " + self.token
        try:
            async with self.client.stream("GET", self.url, headers=h) as r:
                if r.status_code in (401, 403, 404) : raise TransferError("download_refused", status=r.status_code)
                if r.status_code >= 300: raise TryAgain(Reason.of("http", status=r.status_code), float(r.headers.get("Retry-After", 0)) or None)
                if r.status_code == 206:
                    a, _, t = r.headers["Content-Range"].removeprefix("bytes ").partition("/")
                    yield Reply(int(a.split("-")[0]), int(t), self.chunks(r))
                else:
                    yield Reply(0, None, self.chunks(r), True)
        except httpx.HTTPError as e:
            raise TryAgain(Reason.of("broken", detail=str(e))) from e
    async def chunks(self, r):
        async for c in r.aiter_raw():
            yield c

def web_place(client, job, index):
    url = job.urls[index] + "/" + quote(f"{job.repo}/resolve/{job.commits[index]}/{job.path}")
    return Stub(client, f"hub{index}", url, job.size, job.place_hashes[index], job.token)
