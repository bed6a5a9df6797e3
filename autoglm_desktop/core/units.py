"""Binary and decimal byte units, and how sizes are written for people."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
GB = 1000**3


def format_bytes(count: int) -> str:
    """Bytes for people in binary units: ``5.7 GiB``, ``816 MiB``, ``12 KiB``."""
    if count >= GIB:
        return f"{count / GIB:.1f} GiB"
    if count >= MIB:
        return f"{count / MIB:.0f} MiB"
    if count >= KIB:
        return f"{count / KIB:.0f} KiB"
    return f"{count} B"


def format_seconds(seconds: float) -> str:
    """Seconds for people: ``0.43 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
