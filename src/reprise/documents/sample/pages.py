"""The 17 kinds of pages of the generated sample, drawn from a generator.

Kinds share what they share in life: invoices, receipts, statements and tables all have columns of amounts; identity
cards, driving licences and passports a portrait and fields; letters, prescriptions and reports a letterhead. What tells
them apart is layout, and now and then a heading, which is left out or placed elsewhere on some pages.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from reprise.documents.sample.sheet import FIRMS, Sheet

PAGE_HEIGHT = 480  # of an upright A4 page, in pixels; its width is 340


def a4(generator: np.random.Generator, family: str | None = None) -> Sheet:
    """An upright page."""
    return Sheet(generator, 340, PAGE_HEIGHT, family=family)


def card(generator: np.random.Generator, width: int = 380, height: int = 240) -> Sheet:
    """A card in landscape, tinted."""
    paper = (int(generator.integers(200, 250)), int(generator.integers(205, 250)), int(generator.integers(205, 250)))
    return Sheet(generator, width, height, paper=paper, family="sans")


def letterhead(sheet: Sheet, name: str | None = None) -> float:
    """Write a sender's head; returns the y under it."""
    left = sheet.chance(0.6)
    x = 28 if left else sheet.width - 28
    if sheet.chance(0.7):
        sheet.logo(28 if not left else sheet.width - 58, 22, 28)
    anchor = "la" if left else "ra"
    sheet.text(x, 22, name or sheet.choice(FIRMS), sheet.between(11, 15), bold=True, anchor=anchor, fill=sheet.accent)
    for row, line in enumerate(sheet.address()):
        sheet.text(x, 42 + 10 * row, line, 7.5, anchor=anchor)
    return 42 + 28 + sheet.between(4, 16)


def invoice(generator: np.random.Generator) -> Sheet:
    """Letterhead, addressee, items with amounts, a total at the lower right."""
    sheet = a4(generator)
    y = letterhead(sheet)
    for line in [sheet.name(), *sheet.address()]:
        sheet.text(28, y, line, 8)
        y += 11
    if sheet.chance(0.8):
        sheet.text(28, y + 10, f"Invoice {sheet.digits(6)}", sheet.between(11, 16), bold=True)
    sheet.fields(205, y - 20, [("Date", sheet.date()), ("Due", sheet.date()), ("Ref", sheet.code(5))], 7)
    columns = [("Item", 0.5, "words"), ("Qty", 0.12, "number"), ("Price", 0.18, "amount"), ("Sum", 0.2, "amount")]
    rows = sheet.between(3, 9)
    y = sheet.table(28, y + 40, columns, 284, rows, 8, sheet.chance(0.4), sheet.chance(0.5))
    for label in ("Net", "VAT", "Total")[sheet.between(0, 1) :]:
        sheet.text(240, y, label, 8.5, bold=label == "Total", anchor="ra")
        sheet.text(309, y, sheet.amount(9000), 8.5, bold=label == "Total", anchor="ra")
        y += 13
    sheet.paragraph(28, min(y + 20, 440), 284, 2, 6.5)
    return sheet


def receipt(generator: np.random.Generator) -> Sheet:
    """A narrow strip in a fixed-width face: shop, items, total, bar code."""
    sheet = Sheet(generator, sheet_width := int(generator.integers(190, 270)), 460, family="mono")
    middle, y = sheet_width / 2, 16.0
    sheet.text(middle, y, sheet.choice(FIRMS).upper(), 13, bold=True, anchor="ma")
    for line in sheet.address():
        y += 14
        sheet.text(middle, y + 6, line, 8, anchor="ma")
    y += 30
    for _ in range(sheet.between(5, 14)):
        sheet.text(12, y, sheet.words(sheet.between(1, 2))[:18], 9)
        sheet.text(sheet_width - 12, y, sheet.amount(60), 9, anchor="ra")
        y += 13
    sheet.text(12, y + 6, "-" * (sheet_width // 6), 8)
    sheet.text(12, y + 20, "TOTAL", 12, bold=True)
    sheet.text(sheet_width - 12, y + 20, sheet.amount(300), 12, bold=True, anchor="ra")
    sheet.text(middle, y + 48, f"{sheet.date()} {sheet.digits(4)}", 8, anchor="ma")
    if sheet.chance(0.6):
        sheet.barcode(30, y + 66, sheet_width - 60, 28)
    return sheet


def letter(generator: np.random.Generator) -> Sheet:
    """Letterhead, addressee, date, paragraphs, signature."""
    sheet = a4(generator)
    y = letterhead(sheet, None if sheet.chance(0.6) else sheet.name())
    for line in [sheet.name(), *sheet.address()]:
        sheet.text(28, y, line, 8)
        y += 11
    sheet.text(312, y + 6, sheet.date(), 8, anchor="ra")
    if sheet.chance(0.6):
        sheet.text(28, y + 22, sheet.title(3), 9, bold=True)
    sheet.text(28, y + 40, f"Dear {sheet.name()},", 8)
    y += 58
    for _ in range(sheet.between(2, 4)):
        y = sheet.paragraph(28, y, 284, sheet.between(3, 6), 8)
    sheet.text(28, y + 4, "Sincerely,", 8)
    sheet.signature(34, y + 28, 80)
    sheet.text(28, y + 44, sheet.name(), 8)
    return sheet


def form(generator: np.random.Generator) -> Sheet:
    """Boxes with small labels to fill in, and check boxes."""
    sheet = a4(generator, family="sans")
    sheet.text(170 if sheet.chance(0.5) else 90, 18, sheet.title(3), 12, bold=True, anchor="ma")
    y = 46.0
    while y < 430:
        if sheet.chance(0.25):
            for x in range(28, 300, 70):
                sheet.draw.rectangle([x, y + 3, x + 9, y + 12], outline=sheet.ink)
                sheet.text(x + 14, y + 3, sheet.words(1), 7)
                if sheet.chance(0.3):
                    sheet.draw.line([x, y + 3, x + 9, y + 12, x + 9, y + 3, x, y + 12], fill=(30, 40, 120), width=2)
            y += 20
            continue
        cells, height, left = sheet.between(1, 3), sheet.between(22, 34), 24.0
        for _ in range(cells):
            width = 292 / cells
            sheet.draw.rectangle([left, y, left + width, y + height], outline=sheet.ink)
            sheet.text(left + 3, y + 2, sheet.title(2), 6)
            if sheet.chance(0.6):
                sheet.text(left + 6, y + 10, sheet.words(max(1, 3 - cells)), 9, fill=(30, 40, 120))
            left += width
        y += height + sheet.between(0, 8)
    return sheet


def identity_fields(sheet: Sheet) -> "list[tuple[str, str]]":
    """Name, date of birth and number of a person."""
    surname, given = sheet.name().split()[::-1], sheet.name().split()[0]
    return [
        ("Surname", surname[0].upper()),
        ("Given names", given.upper()),
        ("Date of birth", sheet.date()),
        ("Place of birth", sheet.address()[1][6:].upper()),
        ("No.", sheet.code(9)),
    ]


def identity_card(generator: np.random.Generator) -> Sheet:
    """A card: heading, portrait at the left, stacked fields."""
    sheet = card(generator)
    sheet.text(190, 12, sheet.choice(("IDENTITY CARD", "REPUBLIC", "NATIONAL IDENTITY")), 14, bold=True, anchor="ma")
    sheet.portrait(18, 46, 100, 128)
    sheet.fields(134, 44, identity_fields(sheet)[: sheet.between(4, 5)], 10, stacked=True, gap=1.6)
    sheet.signature(30, 204, 90)
    if sheet.chance(0.5):
        sheet.draw.ellipse([300, 130, 356, 186], outline=sheet.accent, width=3)
    return sheet


def driving_licence(generator: np.random.Generator) -> Sheet:
    """A card: numbered fields, a portrait left or right, a row of vehicle classes below."""
    sheet = card(generator)
    sheet.draw.rectangle([0, 0, 380, 30], fill=sheet.accent)
    sheet.text(190, 8, "DRIVING LICENCE", 13, bold=True, anchor="ma", fill=(250, 250, 250))
    left = sheet.chance(0.7)
    sheet.portrait(14 if left else 276, 42, 90, 116)
    x = 116 if left else 16
    values = [value for _, value in identity_fields(sheet)]
    sheet.fields(x, 40, [(f"{index + 1}.", value) for index, value in enumerate(values)], 11)
    for index in range(sheet.between(4, 7)):
        cell = 14 + index * 46
        sheet.draw.rectangle([cell, 186, cell + 42, 224], outline=sheet.ink)
        sheet.text(cell + 21, 192, sheet.choice("ABCDTM"), 14, bold=True, anchor="ma")
    return sheet


def passport(generator: np.random.Generator) -> Sheet:
    """A data page: portrait, fields, and two lines of machine-readable zone."""
    sheet = card(generator, 400, int(generator.integers(270, 300)))
    sheet.text(20, 10, "PASSPORT", 13, bold=True, fill=sheet.accent)
    sheet.text(380, 12, sheet.code(9), 12, anchor="ra")
    sheet.portrait(20, 40, 104, 134)
    sheet.fields(140, 38, identity_fields(sheet), 10, stacked=True, gap=1.6)
    surname, given = sheet.name().upper().split()[::-1]
    lines = f"P<{sheet.code(3)}{surname}<<{given}", f"{sheet.code(9)}{sheet.digits(7)}M{sheet.digits(7)}"
    for row, line in enumerate(lines):
        sheet.text(12, sheet.height - 52 + 20 * row, line.ljust(36, "<")[:36], 17, family="mono")
    return sheet


def business_card(generator: np.random.Generator) -> Sheet:
    """A small card: a logo, a name, a title, contact lines, much space."""
    sheet = Sheet(generator, 360, 210, paper=None if generator.random() < 0.7 else (40, 50, 70))
    if sheet.paper[0] < 100:
        sheet.ink = sheet.accent = (235, 235, 235)
    sheet.logo(sheet.between(20, 290), sheet.between(14, 40), sheet.between(26, 44))
    centred = sheet.chance(0.4)
    x, anchor = (180, "ma") if centred else (24, "la")
    sheet.text(x, 84, sheet.name(), sheet.between(16, 22), bold=True, anchor=anchor)
    sheet.text(x, 110, sheet.title(2), 10, anchor=anchor)
    contact = [f"+{sheet.digits(2)} {sheet.digits(8)}", f"{sheet.words(1)}@{sheet.words(1)}.example", *sheet.address()]
    for row, line in enumerate(contact[: sheet.between(2, 4)]):
        sheet.text(x, 138 + 14 * row, line, 9.5, anchor=anchor)
    return sheet


def curriculum_vitae(generator: np.random.Generator) -> Sheet:
    """A name in large letters, often a portrait, dated entries with bullets under headings."""
    sheet = a4(generator)
    side = sheet.chance(0.4)
    if side:
        sheet.draw.rectangle([0, 0, 100, PAGE_HEIGHT], fill=tuple(round(0.85 * value) for value in sheet.paper))
    x = 114 if side else 28
    sheet.text(x, 22, sheet.name(), 18, bold=True)
    sheet.text(x, 46, "  ".join(sheet.address()), 7)
    if sheet.chance(0.6):
        sheet.portrait(18 if side else 262, 20, 62, 78)
    y = 110.0 if not side else 76.0
    for heading in ("Experience", "Education", "Skills"):
        sheet.text(x, y, heading, 11, bold=True, fill=sheet.accent)
        sheet.rule(x, y + 15, 312 - x)
        y += 22
        for _ in range(sheet.between(2, 3)):
            sheet.text(x, y, f"{sheet.between(1995, 2012)} - {sheet.between(2013, 2025)}", 7)
            sheet.text(x + 62, y, sheet.title(2), 8, bold=True)
            y += 12
            for _ in range(sheet.between(1, 3)):
                sheet.text(x + 66, y, f"• {sheet.words(4)}", 7)
                y += 10
            y += 4
    return sheet


def bank_statement(generator: np.random.Generator) -> Sheet:
    """An account's head, then a long list of dated entries with amounts and a balance."""
    sheet = a4(generator)
    y = letterhead(sheet, f"{sheet.choice(FIRMS)} Bank")
    sheet.fields(28, y, [("Account", sheet.digits(10)), ("Holder", sheet.name()), ("Period", sheet.date())], 8)
    columns = [("Date", 0.2, "date"), ("Entry", 0.4, "words"), ("Amount", 0.2, "amount"), ("Balance", 0.2, "amount")]
    rows = sheet.between(14, 22)
    y = sheet.table(28, y + 48, columns, 284, rows, 7.5, shaded=sheet.chance(0.5))
    sheet.text(312, min(y, 455), f"Balance {sheet.amount(9999)}", 9, bold=True, anchor="ra")
    return sheet


def medical_report(generator: np.random.Generator) -> Sheet:
    """A clinic's head, a patient's box, findings under headings, sometimes a few values."""
    sheet = a4(generator)
    y = letterhead(sheet, f"{sheet.choice(FIRMS)} Clinic")
    sheet.draw.rectangle([26, y, 314, y + 44], outline=sheet.ink)
    patient = [("Patient", sheet.name()), ("Born", sheet.date()), ("Case", sheet.digits(7))]
    sheet.fields(32, y + 5, patient, 7.5, gap=1.6)
    y += 56
    for heading in ("History", "Findings", "Assessment", "Plan")[: sheet.between(3, 4)]:
        sheet.text(28, y, heading, 9.5, bold=True)
        y = sheet.paragraph(28, y + 14, 284, sheet.between(2, 4), 7.5)
    if sheet.chance(0.5):
        columns = [("Value", 0.5, "words"), ("Result", 0.25, "number"), ("Range", 0.25, "number")]
        y = sheet.table(28, y, columns, 200, 3, 7)
    sheet.signature(210, min(y + 16, 452), 80)
    return sheet


def prescription(generator: np.random.Generator) -> Sheet:
    """Half a page: a doctor's head, Rx, a few lines by hand, signature."""
    sheet = Sheet(generator, 300, int(generator.integers(380, 430)))
    y = letterhead(sheet, f"Dr {sheet.name()}")
    sheet.rule(20, y, 260, 2)
    sheet.fields(24, y + 8, [("Patient", sheet.name()), ("Date", sheet.date())], 8)
    if sheet.chance(0.8):
        sheet.text(24, y + 44, "Rx", 26, bold=True, family="serif")
    y += 80
    for _ in range(sheet.between(2, 4)):
        sheet.text(60, y, f"{sheet.title(1)} {sheet.between(1, 50) * 10} mg", 11, fill=(30, 40, 120))
        sheet.text(74, y + 15, f"{sheet.between(1, 3)} x daily, {sheet.between(3, 20)} days", 8.5, fill=(30, 40, 120))
        y += 38
    sheet.rule(170, y + 34, 100)
    sheet.signature(176, y + 26, 80)
    return sheet


def newspaper(generator: np.random.Generator) -> Sheet:
    """A masthead, headlines, narrow columns, a picture."""
    sheet = Sheet(generator, 340, 460, paper=(226, 223, 214), family="serif")
    sheet.text(170, 10, f"The {sheet.choice(('Daily', 'Evening', 'Morning'))} {sheet.title(1)}", 24, True, "ma")
    sheet.rule(14, 42, 312, 2)
    sheet.text(20, 50, sheet.title(4)[:26], 17, bold=True)
    columns = sheet.between(3, 4)
    width, picture = 312 / columns, sheet.between(0, columns - 2)
    bottom = 80 + sheet.between(80, 130)
    sheet.picture(14 + picture * width, 80, 2 * width - 8, bottom - 88)
    for column in range(columns):
        y = bottom if column in (picture, picture + 1) else 80.0
        while y < 435:
            if sheet.chance(0.3):
                sheet.text(14 + column * width, y, sheet.title(1), 10, bold=True)
                y += 15
            y = sheet.paragraph(14 + column * width, y, width - 8, min(sheet.between(5, 11), int((450 - y) / 8)), 6)
    return sheet


def scientific_page(generator: np.random.Generator) -> Sheet:
    """Title, authors, abstract, one or two columns, a figure with a caption."""
    sheet = a4(generator, family="serif")
    sheet.text(170, 24, sheet.title(4), 13, bold=True, anchor="ma")
    sheet.text(170, 44, ", ".join(sheet.name() for _ in range(sheet.between(1, 3))), 8, anchor="ma")
    y = sheet.paragraph(56, 64, 228, sheet.between(4, 6), 6.5)
    columns = 2 if sheet.chance(0.7) else 1
    width, figure = 284 / columns, sheet.between(0, columns - 1)
    for column in range(columns):
        x, top = 28 + column * width, y + 4
        if column == figure:
            sheet.chart(x + 6, top, width - 26, 66)
            top = sheet.paragraph(x, top + 74, width - 10, 2, 6)
        while top < 440:
            sheet.text(x, top, f"{sheet.between(1, 6)} {sheet.title(1)}", 8.5, bold=True)
            top = sheet.paragraph(x, top + 13, width - 10, min(sheet.between(5, 10), max(1, int((452 - top) / 9))), 6.5)
    return sheet


def presentation_slide(generator: np.random.Generator) -> Sheet:
    """Landscape: a large heading, a few bullets, often a chart."""
    sheet = Sheet(generator, 440, 260, family="sans")
    if sheet.chance(0.5):
        sheet.draw.rectangle([0, 0, 440, 46], fill=sheet.accent)
        sheet.text(20, 12, sheet.title(3), 18, bold=True, fill=(250, 250, 250))
    else:
        sheet.text(220, 16, sheet.title(3), 20, bold=True, anchor="ma")
    chart = sheet.chance(0.6)
    for row in range(sheet.between(3, 5)):
        sheet.text(26, 70 + 34 * row, f"• {sheet.words(3 if chart else 6)}", 12)
    if chart:
        sheet.chart(250, 76, 160, 140)
    sheet.text(424, 242, str(sheet.between(1, 60)), 8, anchor="ra")
    return sheet


def ticket(generator: np.random.Generator) -> Sheet:
    """Landscape: from and to, gate and seat in large letters, a bar code, a stub."""
    sheet = card(generator, 440, int(generator.integers(170, 210)))
    sheet.draw.rectangle([0, 0, 440, 28], fill=sheet.accent)
    sheet.text(14, 6, sheet.choice(FIRMS).upper(), 13, bold=True, fill=(250, 250, 250))
    for x in (14, 150):
        sheet.text(x, 40, sheet.choice(("From", "To", "Event")), 8)
        sheet.text(x, 52, sheet.address()[1][6:].upper(), 17, bold=True)
    for index, label in enumerate(("Date", "Gate", "Seat", "Class")):
        sheet.text(14 + index * 72, 90, label, 8)
        sheet.text(14 + index * 72, 102, sheet.date() if index == 0 else sheet.code(3), 11, bold=True)
    for y in range(30, sheet.height, 8):
        sheet.draw.line([320, y, 320, y + 4], fill=sheet.ink)
    if sheet.chance(0.7):
        sheet.barcode(14, 130, 280, sheet.height - 144)
    sheet.fields(332, 44, [("Name", sheet.name()), ("No", sheet.code(6)), ("Seat", sheet.code(3))], 9, True, 1.8)
    return sheet


def table(generator: np.random.Generator) -> Sheet:
    """A printed table and hardly anything else."""
    sheet = a4(generator)
    if sheet.chance(0.6):
        sheet.text(28, 22, sheet.title(3), 11, bold=True)
    count = sheet.between(4, 7)
    shares = sheet.random.dirichlet([8.0] * count)
    kinds = [sheet.choice(("words", "amount", "number", "code", "date")) for _ in range(count)]
    columns = [(sheet.title(1)[:8], float(share), kind) for share, kind in zip(shares, kinds, strict=True)]
    size = sheet.between(6, 8)
    rows = sheet.between(16, int(400 / (size * 1.7)) - 1)
    sheet.table(20, 44, columns, 300, rows, size, ruled=sheet.chance(0.7), shaded=sheet.chance(0.4))
    return sheet


KINDS: dict[str, Callable[[np.random.Generator], Sheet]] = {
    "invoice": invoice,
    "receipt": receipt,
    "letter": letter,
    "form": form,
    "identity card": identity_card,
    "passport": passport,
    "driving licence": driving_licence,
    "business card": business_card,
    "curriculum vitae": curriculum_vitae,
    "bank statement": bank_statement,
    "medical report": medical_report,
    "prescription": prescription,
    "newspaper": newspaper,
    "scientific page": scientific_page,
    "presentation slide": presentation_slide,
    "ticket": ticket,
    "table": table,
}


def draw_page(kind: str, generator: np.random.Generator) -> Image.Image:
    """Draw one page of a kind."""
    return KINDS[kind](generator).image
