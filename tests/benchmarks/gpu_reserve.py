"""Takes a card's memory until so many bytes are free, says how many it holds, and keeps them until stdin ends.

    python -m tests.benchmarks.gpu_reserve 0 8589934592

By the driver's own library (libcuda, nvcuda), so that it needs no torch.
"""

import ctypes
import sys

PIECE = 64 << 20


def main(card: int, keep_free: int) -> int:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    cuda = ctypes.CDLL(name)
    device, context = ctypes.c_int(), ctypes.c_void_p()
    _demand(cuda.cuInit(0))
    _demand(cuda.cuDeviceGet(ctypes.byref(device), card))
    _demand(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device))
    held = 0
    while (size := min(PIECE, _free(cuda) - keep_free)) > 0:
        address = ctypes.c_uint64()
        if cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)):
            break
        held += size
    print(held, _free(cuda), flush=True)
    sys.stdin.read()
    return 0


def _free(cuda) -> int:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _demand(cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
    return free.value


def _demand(code: int) -> None:
    if code:
        raise SystemExit(f"CUDA error {code}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
