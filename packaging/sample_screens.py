"""Draw the phone screens of resources/samples: ``python packaging/sample_screens.py`` (needs PySide6 and a
font with Chinese, such as Noto Sans CJK).

They are drawn for this project, of no phone and no brand, and are under its licence. "Test as the phone agent does"
sends them to the service.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter, QPen

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "samples"
WIDTH, HEIGHT = 1080, 2400
INK, SOFT, LINE, GROUND, BLUE = "#1d2433", "#6b7588", "#e1e6ee", "#f3f5f9", "#2f6fed"
TEXTS = {
    "zh": {
        "date": "11月21日 星期六", "search": "搜索", "settings": "设置", "display": "显示与亮度", "dark": "深色模式",
        "apps": ("日历", "相机", "图库", "时钟", "天气", "地图", "音乐", "设置"),
        "dock": ("电话", "信息", "浏览器", "联系人"),
        "rows": ("无线网络", "蓝牙", "移动网络", "显示与亮度", "声音与振动", "通知", "电池", "存储", "隐私与安全",
                 "关于手机"),
        "screen": ("深色模式", "护眼模式", "自动调节亮度", "字体大小", "自动锁屏", "屏幕方向"),
        "brightness": "亮度", "minutes": "2 分钟", "usual": "标准", "upright": "竖屏",
    },
    "en": {
        "date": "Saturday, 21 November", "search": "Search", "settings": "Settings",
        "display": "Display and brightness", "dark": "Dark mode",
        "apps": ("Calendar", "Camera", "Photos", "Clock", "Weather", "Maps", "Music", "Settings"),
        "dock": ("Phone", "Messages", "Browser", "Contacts"),
        "rows": ("Wi-Fi", "Bluetooth", "Mobile network", "Display and brightness", "Sound and vibration",
                 "Notifications", "Battery", "Storage", "Privacy and security", "About the phone"),
        "screen": ("Dark mode", "Eye comfort", "Adaptive brightness", "Font size", "Screen lock", "Orientation"),
        "brightness": "Brightness", "minutes": "2 minutes", "usual": "Standard", "upright": "Upright",
    },
}  # fmt: skip
COLOURS = (
    "#e8590c",
    "#2f9e44",
    "#9c36b5",
    "#1971c2",
    "#0c8599",
    "#f08c00",
    "#c2255c",
    "#495057",
    "#2b8a3e",
    "#364fc7",
)
Words = dict[str, object]


def write(painter: QPainter, text: str, x: float, y: float, size: int, colour: str = INK, *, bold: bool = False,
          flag: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft, width: float = 900) -> None:  # fmt: skip
    """A line of text; ``x`` is its left end, its middle or its right end, ``y`` its middle."""
    font = QFont("Noto Sans CJK SC")
    font.setPixelSize(size)
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(QColor(colour))
    left = {Qt.AlignmentFlag.AlignLeft: x, Qt.AlignmentFlag.AlignRight: x - width}.get(flag, x - width / 2)
    painter.drawText(QRectF(left, y - size, width, 2 * size), flag | Qt.AlignmentFlag.AlignVCenter, text)


def box(painter: QPainter, rect: QRectF, radius: float, colour: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(rect, radius, radius)


def app(painter: QPainter, number: int, name: str, x: float, y: float) -> None:
    """An icon of two shapes and its name below."""
    box(painter, QRectF(x - 76, y - 76, 152, 152), 40, COLOURS[number % len(COLOURS)])
    painter.setPen(QPen(QColor("white"), 10, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if name in ("设置", "Settings"):
        for row, knob in ((-28, 18), (0, -20), (28, 10)):
            painter.drawLine(QPointF(x - 42, y + row), QPointF(x + 42, y + row))
            painter.drawEllipse(QPointF(x + knob, y + row), 9, 9)
    elif number % 3 == 0:
        painter.drawRoundedRect(QRectF(x - 40, y - 36, 80, 72), 12, 12)
        painter.drawLine(QPointF(x - 40, y - 10), QPointF(x + 40, y - 10))
    elif number % 3 == 1:
        painter.drawEllipse(QPointF(x, y), 38, 38)
        painter.drawEllipse(QPointF(x, y), 12, 12)
    else:
        painter.drawPolyline([QPointF(x - 40, y + 30), QPointF(x - 8, y - 18), QPointF(x + 14, y + 12),
                              QPointF(x + 40, y - 28)])  # fmt: skip
    write(painter, name, x, y + 116, 34, "white", flag=Qt.AlignmentFlag.AlignHCenter, width=250)


def status(painter: QPainter, colour: str) -> None:
    write(painter, "9:41", 60, 64, 40, colour, bold=True)
    painter.setPen(QPen(QColor(colour), 5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(944, 46, 66, 34), 8, 8)
    painter.fillRect(QRectF(952, 54, 38, 18), QColor(colour))


def home(painter: QPainter, words: Words) -> None:
    painter.fillRect(0, 0, WIDTH, HEIGHT, QColor("#24406e"))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#2d4f86"))
    painter.drawEllipse(QPointF(860, 620), 520, 520)
    painter.setBrush(QColor("#1d355c"))
    painter.drawEllipse(QPointF(180, 2000), 620, 620)
    status(painter, "white")
    write(painter, "9:41", 540, 330, 190, "white", flag=Qt.AlignmentFlag.AlignHCenter)
    write(painter, str(words["date"]), 540, 480, 46, "white", flag=Qt.AlignmentFlag.AlignHCenter)
    for number, name in enumerate(words["apps"]):  # type: ignore[arg-type, var-annotated]
        app(painter, number, name, 165 + 250 * (number % 4), 1260 + 330 * (number // 4))
    box(painter, QRectF(40, 2030, 1000, 300), 70, "#3d5c92")
    for number, name in enumerate(words["dock"]):  # type: ignore[arg-type, var-annotated]
        app(painter, number + 4, name, 165 + 250 * number, 2150)


def head(painter: QPainter, title: str) -> None:
    painter.fillRect(0, 0, WIDTH, HEIGHT, QColor(GROUND))
    status(painter, INK)
    painter.setPen(QPen(QColor(INK), 9, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawPolyline([QPointF(88, 190), QPointF(60, 220), QPointF(88, 250)])
    write(painter, title, 140, 220, 62, bold=True)


def settings(painter: QPainter, words: Words) -> None:
    head(painter, str(words["settings"]))
    box(painter, QRectF(40, 310, 1000, 120), 60, "white")
    write(painter, str(words["search"]), 110, 370, 44, SOFT)
    for number, name in enumerate(words["rows"]):  # type: ignore[arg-type, var-annotated]
        top = 480 + 180 * number
        box(painter, QRectF(40, top, 1000, 164), 36, "white")
        box(painter, QRectF(84, top + 38, 88, 88), 26, COLOURS[number])
        write(painter, name, 216, top + 82, 46)
        painter.setPen(QPen(QColor(SOFT), 6))
        painter.drawPolyline([QPointF(968, top + 60), QPointF(990, top + 82), QPointF(968, top + 104)])


def switch(painter: QPainter, y: float, *, on: bool) -> None:
    box(painter, QRectF(872, y - 36, 124, 72), 36, BLUE if on else "#c8d0dc")
    painter.setBrush(QColor("white"))
    painter.drawEllipse(QPointF(958 if on else 910, y), 28, 28)


def display(painter: QPainter, words: Words) -> None:
    head(painter, str(words["display"]))
    box(painter, QRectF(40, 320, 1000, 230), 36, "white")
    write(painter, str(words["brightness"]), 84, 390, 46)
    box(painter, QRectF(84, 466, 912, 16), 8, LINE)
    box(painter, QRectF(84, 466, 560, 16), 8, BLUE)
    painter.drawEllipse(QPointF(644, 474), 26, 26)
    values = (None, None, None, words["usual"], words["minutes"], words["upright"])
    for number, (name, value) in enumerate(zip(words["screen"], values, strict=True)):  # type: ignore[call-overload]
        top = 620 + 180 * number
        box(painter, QRectF(40, top, 1000, 164), 36, "white")
        write(painter, name, 84, top + 82, 46)
        if value is None:
            switch(painter, top + 82, on=number == 2)
        else:
            write(painter, str(value), 996, top + 82, 40, SOFT, flag=Qt.AlignmentFlag.AlignRight)


def draw(paint: Callable[[QPainter, Words], None], words: Words, file: Path) -> None:
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint(painter, words)
    painter.end()
    image.convertToFormat(QImage.Format.Format_RGB888).save(str(file), "PNG", 0)  # type: ignore[call-overload]
    print(file.name, file.stat().st_size)


def main() -> int:
    application = QGuiApplication(sys.argv[:1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for language, words in TEXTS.items():
        for paint in (home, settings, display):
            draw(paint, words, FOLDER / f"made_phone_{paint.__name__}.{language}.png")
    del application
    return 0


if __name__ == "__main__":
    sys.exit(main())
