"""Which system package holds which library, and the command that installs it.

The libraries are those that Qt 6.11's Core, Gui, Widgets, DBus and Network and its platform plugins are
linked against (``readelf -d`` on the PySide6-Essentials wheel) and do not bring along.
"""

from __future__ import annotations

CORE = (
    "libglib-2.0.so.0",
    "libgthread-2.0.so.0",
    "libz.so.1",
    "libzstd.so.1",
    "libEGL.so.1",
    "libGL.so.1",
    "libX11.so.6",
    "libxkbcommon.so.0",
    "libdbus-1.so.3",
    "libfontconfig.so.1",
    "libfreetype.so.6",
    "libgssapi_krb5.so.2",
    "libbrotlidec.so.1",
)
X11 = (
    "libxcb.so.1",
    "libxcb-cursor.so.0",
    "libxcb-icccm.so.4",
    "libxcb-image.so.0",
    "libxcb-keysyms.so.1",
    "libxcb-randr.so.0",
    "libxcb-render.so.0",
    "libxcb-render-util.so.0",
    "libxcb-shape.so.0",
    "libxcb-shm.so.0",
    "libxcb-sync.so.1",
    "libxcb-util.so.1",
    "libxcb-xfixes.so.0",
    "libxcb-xkb.so.1",
    "libX11-xcb.so.1",
    "libxkbcommon-x11.so.0",
)
WAYLAND = ("libwayland-client.so.0", "libwayland-cursor.so.0", "libwayland-egl.so.1")

# library: (Debian and Ubuntu, Fedora, Arch); openSUSE's packages are asked for by the library's own name.
_PACKAGES = {
    "libglib-2.0.so.0": ("libglib2.0-0", "glib2", "glib2"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2", "glib2"),
    "libz.so.1": ("zlib1g", "zlib", "zlib"),
    "libzstd.so.1": ("libzstd1", "libzstd", "zstd"),
    "libEGL.so.1": ("libegl1", "libglvnd-egl", "libglvnd"),
    "libGL.so.1": ("libgl1", "libglvnd-glx", "libglvnd"),
    "libX11.so.6": ("libx11-6", "libX11", "libx11"),
    "libxkbcommon.so.0": ("libxkbcommon0", "libxkbcommon", "libxkbcommon"),
    "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs", "dbus"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig", "fontconfig"),
    "libfreetype.so.6": ("libfreetype6", "freetype", "freetype2"),
    "libgssapi_krb5.so.2": ("libgssapi-krb5-2", "krb5-libs", "krb5"),
    "libbrotlidec.so.1": ("libbrotli1", "libbrotli", "brotli"),
    "libxcb.so.1": ("libxcb1", "libxcb", "libxcb"),
    "libxcb-cursor.so.0": ("libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor"),
    "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm", "xcb-util-wm"),
    "libxcb-image.so.0": ("libxcb-image0", "xcb-util-image", "xcb-util-image"),
    "libxcb-keysyms.so.1": ("libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms"),
    "libxcb-randr.so.0": ("libxcb-randr0", "libxcb", "libxcb"),
    "libxcb-render.so.0": ("libxcb-render0", "libxcb", "libxcb"),
    "libxcb-render-util.so.0": ("libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil"),
    "libxcb-shape.so.0": ("libxcb-shape0", "libxcb", "libxcb"),
    "libxcb-shm.so.0": ("libxcb-shm0", "libxcb", "libxcb"),
    "libxcb-sync.so.1": ("libxcb-sync1", "libxcb", "libxcb"),
    "libxcb-util.so.1": ("libxcb-util1", "xcb-util", "xcb-util"),
    "libxcb-xfixes.so.0": ("libxcb-xfixes0", "libxcb", "libxcb"),
    "libxcb-xkb.so.1": ("libxcb-xkb1", "libxcb", "libxcb"),
    "libX11-xcb.so.1": ("libx11-xcb1", "libX11-xcb", "libx11"),
    "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
    "libwayland-client.so.0": ("libwayland-client0", "libwayland-client", "wayland"),
    "libwayland-cursor.so.0": ("libwayland-cursor0", "libwayland-cursor", "wayland"),
    "libwayland-egl.so.1": ("libwayland-egl1", "libwayland-egl", "wayland"),
}
_COLUMN = {"apt": 0, "dnf": 1, "pacman": 2}

CHINESE_FONT = {
    "apt": "fonts-noto-cjk",
    "dnf": "google-noto-sans-cjk-fonts",
    "pacman": "noto-fonts-cjk",
    "zypper": "google-noto-sans-cjk-fonts",
}
COMPILER = {"apt": "g++", "dnf": "gcc-c++", "pacman": "gcc", "zypper": "gcc-c++"}
# Where no package manager may install it: the exact command that the user can give.
COMPILER_COMMAND = {
    "winget": (
        "winget install --id Microsoft.VisualStudio.2022.BuildTools --override "
        '"--quiet --wait --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"'
    ),
    "brew": "xcode-select --install",
}

_INSTALL = {
    "apt": (("apt-get", "update"), ("apt-get", "install", "-y", "--no-install-recommends")),
    "dnf": (("dnf", "install", "-y"),),
    "pacman": (("pacman", "-S", "--needed", "--noconfirm"),),
    "zypper": (("zypper", "--non-interactive", "install"),),
}


def libraries(display: str) -> tuple[str, ...]:
    """What Qt needs for a display: ``x11``, ``wayland``, ``offscreen``."""
    return CORE + {"x11": X11, "wayland": WAYLAND}.get(display, ())


def packages_of(missing: tuple[str, ...], manager: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The packages that hold ``missing`` libraries, and the libraries of which no package is known."""
    if manager == "zypper":
        return tuple(f"{name}()(64bit)" for name in missing), ()
    column = _COLUMN.get(manager or "")
    if column is None:
        return (), missing
    packages = dict.fromkeys(_PACKAGES[name][column] for name in missing if name in _PACKAGES)
    return tuple(packages), tuple(name for name in missing if name not in _PACKAGES)


def install_commands(manager: str | None, packages: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The commands for root, of which only the last has to succeed; empty for a manager that is not known."""
    if manager not in _INSTALL or not packages:
        return ()
    *before, last = _INSTALL[manager]
    return (*before, (*last, *packages))


def manager_of(system: str, version: str) -> str | None:
    """The usual package manager of an operating system, by its name and version text."""
    if system == "Windows":
        return "winget"
    if system == "macOS":
        return "brew"
    families = {
        "apt": (
            "debian",
            "ubuntu",
            "mint",
            "pop!_os",
            "elementary",
            "kali",
            "raspbian",
            "deepin",
            "kylin",
            "uos",
        ),
        "dnf": ("fedora", "red hat", "centos", "rocky", "alma", "openeuler"),
        "pacman": ("arch", "manjaro", "endeavour", "cachyos"),
        "zypper": ("suse",),
    }
    text = version.lower()
    return next((name for name, words in families.items() if any(word in text for word in words)), None)
