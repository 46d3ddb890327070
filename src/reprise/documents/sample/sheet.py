"""A sheet of paper to draw on: text, tables, fields, photographs and stamps, at random within what a caller asks for.

Fonts are the DejaVu family that matplotlib carries, so that pages do not depend on what a machine has installed.
"""

import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = {"sans": "DejaVuSans", "serif": "DejaVuSerif", "mono": "DejaVuSansMono"}
WORD_TEXT = (
    "about account after agreed amount annual answer apply asked before board branch call case change charge city "
    "claim client close common costs could court cover daily date degree detail draft early effect enclosed event "
    "every field figure final first follow found general given group growth health hours however include income "
    "issue item large later level limit local longer made market matter measure method million model month near "
    "never number offer often open order other paid part people period place plan please point price process public "
    "rate reason receive record regard region report result return review room rules sample school second section "
    "service several share since small sources staff standard state still study subject such sum supply system "
    "table terms their these third time total under until usual value visit water week where which while within "
    "without work year"
)
FIRST_NAMES = "Ada Ben Clara David Elena Frank Grace Hugo Ines Jonas Karin Luis Mara Nils Olga Paul Rosa Simon Tara"
LAST_NAMES = (
    "Almeida Becker Castro Dubois Eriksen Ferrari Garcia Hansen Ivanov Jansen Keller Lopez Moreau Novak Olsen Petrov "
    "Rossi Schmidt Tanaka Weber"
)
TOWN_NAMES = "Ashford Bergen Cadiz Delft Esbjerg Florence Ghent Halle Izmir Jena Krakow Lyon"
WORDS, FIRST, LAST, TOWNS = (text.split() for text in (WORD_TEXT, FIRST_NAMES, LAST_NAMES, TOWN_NAMES))
STREETS = ("Mill Lane", "Station Road", "High Street", "Park Avenue", "Harbour Way", "Church Hill", "Bridge Street")
FIRMS = ("Northwind", "Bluestone", "Halden & Sons", "Orbit Supply", "Lindqvist", "Meridian", "Oak & Iron", "Quayside")


@cache
def font(family: str, size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """Load a font of `size` pixels."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"{FONTS[family]}{'-Bold' if bold else ''}.ttf", size)


class Sheet:
    """A sheet with its generator, ink, accent colour and typeface; lengths are pixels.

    Args:
        generator: draws everything that is left open.
        width: of the sheet.
        height: of the sheet.
        paper: its colour; None: white to cream.
        family: typeface; None: any.
    """

    def __init__(
        self,
        generator: np.random.Generator,
        width: int,
        height: int,
        paper: tuple[int, int, int] | None = None,
        family: str | None = None,
    ) -> None:
        self.random, self.width, self.height = generator, width, height
        white = int(generator.integers(236, 256))
        self.paper = paper or (white, white - int(generator.integers(0, 5)), white - int(generator.integers(0, 16)))
        self.family = family or str(generator.choice(["sans", "serif"]))
        dark = int(generator.integers(10, 70))
        self.ink = (dark, dark, dark + int(generator.integers(0, 30)))
        self.accent = tuple(int(value) for value in generator.integers(20, 150, 3))
        self.image = Image.new("RGB", (width, height), self.paper)
        self.draw = ImageDraw.Draw(self.image)

    def between(self, low: float, high: float) -> int:
        """An integer from low to high, both included."""
        return int(self.random.integers(round(low), round(high) + 1))

    def chance(self, probability: float) -> bool:
        """Whether something with this probability happens."""
        return bool(self.random.random() < probability)

    def choice(self, options: Sequence[str]) -> str:
        """One of the options."""
        return options[int(self.random.integers(len(options)))]

    def words(self, count: int) -> str:
        """A run of words."""
        return " ".join(WORDS[index] for index in self.random.integers(len(WORDS), size=count))

    def title(self, count: int) -> str:
        """A run of words in title case."""
        return self.words(count).title()

    def name(self) -> str:
        """A person's name."""
        return f"{self.choice(FIRST)} {self.choice(LAST)}"

    def address(self) -> list[str]:
        """Street and town."""
        return [
            f"{self.between(1, 220)} {self.choice(STREETS)}",
            f"{self.between(10000, 99999)} {self.choice(TOWNS)}",
        ]

    def digits(self, count: int) -> str:
        """A run of digits."""
        return "".join(str(digit) for digit in self.random.integers(10, size=count))

    def code(self, count: int) -> str:
        """A run of capitals and digits."""
        return "".join(self.choice(string.ascii_uppercase + string.digits) for _ in range(count))

    def amount(self, most: float = 2000) -> str:
        """A sum of money."""
        return f"{self.random.uniform(1, most):,.2f}"

    def date(self) -> str:
        """A date in one of the usual forms."""
        day, month, year = self.between(1, 28), self.between(1, 12), self.between(1998, 2026)
        return self.choice((f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year}"))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        bold: bool = False,
        anchor: str = "la",
        fill: tuple[int, ...] | None = None,
        family: str | None = None,
    ) -> None:
        """Write one line at (x, y), anchored as Pillow has it."""
        typeface = font(family or self.family, max(5, round(size)), bold)
        self.draw.text((x, y), text, fill=fill or self.ink, font=typeface, anchor=anchor)

    def paragraph(self, x: float, y: float, width: float, lines: int, size: float) -> float:
        """Write a paragraph of words; the last line is short.

        Returns:
            The y under it.
        """
        per_line = max(1, round(width / (size * 3.4)))
        for line in range(lines):
            short = line == lines - 1
            count = max(1, round(per_line * self.random.uniform(0.3, 0.7))) if short else per_line
            self.text(x, y, self.words(count), size)
            y += size * 1.35
        return y + size * 0.8

    def fields(
        self, x: float, y: float, pairs: "list[tuple[str, str]]", size: float, stacked: bool = False, gap: float = 1.7
    ) -> float:
        """Write labels with their values, beside each other or stacked; returns the y under them."""
        for label, value in pairs:
            self.text(x, y, label, size * (0.75 if stacked else 1), fill=self.accent if stacked else None)
            if stacked:
                y += size
                self.text(x, y, value, size, bold=True)
            else:
                self.text(x + size * 7.5, y, value, size, bold=True)
            y += size * gap
        return y

    def table(
        self,
        x: float,
        y: float,
        columns: "list[tuple[str, float, str]]",
        width: float,
        rows: int,
        size: float,
        ruled: bool = False,
        shaded: bool = False,
    ) -> float:
        """Draw a table.

        Args:
            x: left edge.
            y: upper edge.
            columns: heading, share of the width and kind of content: words, amount, date, number or code.
            width: of the whole.
            rows: under the heading.
            size: of the text.
            ruled: lines round every cell, else one under the heading.
            shaded: every other row and the heading tinted.

        Returns:
            The y under it.
        """
        step = size * 1.7
        if shaded:
            tint = tuple(round(0.86 * value) for value in self.paper)
            for row in range(0, rows + 1, 2):
                self.draw.rectangle([x, y + row * step, x + width, y + (row + 1) * step], fill=tint)
        left = x
        for heading, share, kind in columns:
            self._column(left, y, heading, share * width, kind, rows, size)
            if ruled:
                self.draw.line([left, y, left, y + (rows + 1) * step], fill=self.ink)
            left += share * width
        if ruled:
            self.draw.rectangle([x, y, x + width, y + (rows + 1) * step], outline=self.ink)
            for row in range(1, rows + 1):
                self.draw.line([x, y + row * step, x + width, y + row * step], fill=self.ink)
        else:
            self.draw.line([x, y + step, x + width, y + step], fill=self.ink)
        return y + (rows + 1.5) * step

    def _column(self, x: float, y: float, heading: str, width: float, kind: str, rows: int, size: float) -> None:
        right = kind in ("amount", "number")
        place, anchor = (x + width - 3, "ra") if right else (x + 3, "la")
        self.text(place, y + size * 0.3, heading, size, bold=True, anchor=anchor)
        content = {
            "words": lambda: self.words(max(1, min(4, int(width / (size * 4))))),
            "amount": self.amount,
            "date": self.date,
            "number": lambda: str(self.between(1, 99)),
            "code": lambda: self.code(5),
        }[kind]
        for row in range(1, rows + 1):
            self.text(place, y + row * size * 1.7 + size * 0.3, content(), size, anchor=anchor)

    def logo(self, x: float, y: float, size: float) -> None:
        """Draw a firm's sign: a disc, a square or bars."""
        kind = self.between(0, 2)
        if kind == 0:
            self.draw.ellipse([x, y, x + size, y + size], fill=self.accent)
        elif kind == 1:
            self.draw.rectangle([x, y, x + size, y + size], fill=self.accent)
            self.draw.rectangle([x + size * 0.3, y + size * 0.3, x + size * 0.7, y + size * 0.7], fill=self.paper)
        else:
            for bar in range(3):
                left = x + bar * size * 0.36
                self.draw.rectangle([left, y + bar * size * 0.2, left + size * 0.25, y + size], fill=self.accent)

    def portrait(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a passport photograph: background, shoulders, head, hair."""
        back = tuple(int(value) for value in self.random.integers(170, 235, 3))
        skin = np.array([224, 172, 120]) * self.random.uniform(0.45, 1.1)
        face = tuple(int(value) for value in np.minimum(skin, 255))
        hair = tuple(int(value) for value in self.random.integers(15, 120, 3))
        coat = tuple(int(value) for value in self.random.integers(20, 160, 3))
        tile = Image.new("RGB", (round(width), round(height)), back)
        draw = ImageDraw.Draw(tile)
        draw.ellipse([width * 0.08, height * 0.72, width * 0.92, height * 1.4], fill=coat)
        draw.ellipse([width * 0.24, height * 0.12, width * 0.76, height * 0.7], fill=hair)
        draw.ellipse([width * 0.29, height * 0.22, width * 0.71, height * 0.76], fill=face)
        self.image.paste(tile, (round(x), round(y)))

    def picture(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a printed photograph: sky, ground and a few blobs, in grey."""
        y_axis = np.linspace(0, 1, max(1, round(height)))[:, None]
        tone = self.random.uniform(80, 220) * (1 - y_axis) + self.random.uniform(30, 160) * y_axis
        tile = Image.fromarray(np.repeat(tone, max(1, round(width)), axis=1).astype(np.uint8)).convert("RGB")
        draw = ImageDraw.Draw(tile)
        for _ in range(self.between(2, 6)):
            left, top = self.random.uniform(0, width * 0.8), self.random.uniform(0, height * 0.8)
            shade = self.between(20, 230)
            right, bottom = left + self.random.uniform(5, width * 0.4), top + self.random.uniform(5, height * 0.5)
            draw.ellipse([left, top, right, bottom], fill=(shade, shade, shade))
        self.image.paste(tile, (round(x), round(y)))

    def barcode(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a bar code."""
        left = x
        while left < x + width:
            bar = self.between(1, 3)
            self.draw.rectangle([left, y, left + bar - 1, y + height], fill=self.ink)
            left += bar + self.between(1, 3)

    def signature(self, x: float, y: float, width: float) -> None:
        """Draw a signature in ink."""
        steps = np.linspace(0, 1, 40)
        waves = np.zeros(len(steps))
        for _ in range(4):
            phase = steps * self.random.uniform(1, 7) + self.random.random()
            waves += self.random.uniform(0.2, 1) * np.sin(2 * np.pi * phase)
        points = [(x + width * step, y + width * 0.05 * wave) for step, wave in zip(steps, waves, strict=True)]
        self.draw.line(points, fill=(30, 40, 120), width=2)

    def rule(self, x: float, y: float, width: float, thickness: int = 1) -> None:
        """Draw a horizontal line."""
        self.draw.line([x, y, x + width, y], fill=self.ink, width=thickness)

    def chart(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a chart with axes: bars or curves."""
        self.draw.line([x, y, x, y + height, x + width, y + height], fill=self.ink, width=2)
        if self.chance(0.5):
            count = self.between(3, 7)
            for bar in range(count):
                left, top = x + width * (bar + 0.2) / count, y + height * self.random.uniform(0.05, 0.9)
                self.draw.rectangle([left, top, left + width * 0.6 / count, y + height], fill=self.accent)
            return
        for _ in range(self.between(1, 3)):
            heights = y + height * (0.1 + 0.8 * self.random.random(8))
            points = [(x + width * index / 7, value) for index, value in enumerate(heights)]
            self.draw.line(points, fill=self.accent, width=2)
