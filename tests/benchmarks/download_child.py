"""One download in a process of its own: ``python -m tests.benchmarks.download_child WAY JSON`` prints JSON.

Ways: ``ours``; ``plain`` (httpx, one stream, read raw, written by file.write), ``plain_sha256`` (that, and each piece
is hashed), ``plain_async`` (with httpx.AsyncClient); ``hub`` (huggingface_hub). The seconds are those of the download,
imports excluded. Only ``ours`` imports anything of the program: that changes how much httpx reads at a time.
"""

import asyncio
import hashlib
import json
import sys
import time
from pathlib import Path


def ours(job, _url, _target):
    from tests.fakes.fake_hub_pull import job_of, pull

    job = job_of(json.dumps(job))
    return lambda: asyncio.run(pull(job))


def plain(_job, url, target, digest=None):
    import httpx

    def work():
        with httpx.Client(follow_redirects=True) as client, client.stream("GET", url) as reply:
            reply.raise_for_status()
            with target.open("wb") as file:
                for chunk in reply.iter_raw():
                    file.write(chunk)
                    if digest is not None:
                        digest.update(chunk)

    return work


def plain_sha256(job, url, target):
    return plain(job, url, target, hashlib.sha256())


def plain_async(_job, url, target):
    import httpx

    async def work():
        async with httpx.AsyncClient(follow_redirects=True) as client, client.stream("GET", url) as reply:
            reply.raise_for_status()
            with target.open("wb") as file:
                async for chunk in reply.aiter_raw():
                    file.write(chunk)

    return lambda: asyncio.run(work())


def hub(job, _url, target):
    from huggingface_hub import hf_hub_download  # its modules load on first use

    source = {"repo_id": job["repo"], "filename": job["path"], "revision": job["commits"][0]}
    return lambda: hf_hub_download(**source, local_dir=target.parent, endpoint=job["urls"][0])


def peak():
    """Largest resident memory so far, bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    job = json.loads(sys.argv[2])
    target = Path(job["target"])
    target.parent.mkdir(parents=True, exist_ok=True)
    url = f"{job['urls'][0]}/{job['repo']}/resolve/{job['commits'][0]}/{job['path']}"
    ways = {way.__name__: way for way in (ours, plain, plain_sha256, plain_async, hub)}
    work = ways[sys.argv[1]](job, url, target)
    before, processor = time.perf_counter(), time.process_time()
    work()
    found = {"seconds": time.perf_counter() - before, "processor": time.process_time() - processor}
    print(json.dumps(found | {"peak_bytes": peak()}), flush=True)


if __name__ == "__main__":
    main()
