"""The page's own HTML: a tree of classes, verdicts, tables. Every text in it is escaped here."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from reprise.core.text import for_html
from reprise.tools.demo.texts import STEP

THUMBNAIL = 480  # pixels
NARROW_COLUMNS = 3  # of a table that a phone has room for
NO_BREAK = "\u00a0"  # a space at which no line ends
FOR, AGAINST = "224, 90, 51", "74, 144, 217"  # red, blue; words are told apart by sign as well


def block(*parts: str) -> str:
    """A piece of the page in the page's own style."""
    return f'<div class="demo">{"".join(parts)}</div>'


def hint_html(text: str) -> str:
    """What stands where nothing has been computed yet."""
    return block(f'<p class="note">{for_html(text)}</p>')


def percent(value: float) -> str:
    """A probability in words: never 0 % or 100 %, which no model knows."""
    return f"{'< 0.1' if value < 0.001 else '> 99.9' if value > 0.999 else f'{100 * value:.1f}'}{NO_BREAK}%"


def tree_html(record: dict[str, Any]) -> str:
    """The classes of a text as a tree, with what else was likely; about none is said in words."""
    rows = "".join(
        f'<li class="{"chosen" if row["chosen"] else ""}" style="--level: {min(row["level"], 12)}">'
        f'<span class="name">{"✓ " if row["chosen"] else ""}{for_html(row["name"])}</span>'
        f'<span class="bar" aria-hidden="true"><span style="width: {100 * row["probability"]:.1f}%"></span></span>'
        f'<span class="number">{percent(row["probability"])}</span></li>'
        for row in record["tree"]
    )
    if record["about_none"]:
        verdict = "About none of the classes"
        note = (
            f"Its best likeness to a class is {record['evidence']:.3f}, below the {record['threshold']:.3f} that "
            "training documents of a class reach. Were it about one, these would be the likeliest."
        )
    else:
        ends = [STEP.join(found["path"]) for found in record["classes"]]
        verdict, note = "<br>".join(for_html(end) for end in ends), "✓ chosen; the others are the runner-ups."
    return block(f'<p class="verdict">{verdict}</p>', f'<p class="note">{note}</p>', f'<ul class="tree">{rows}</ul>')


def words_html(record: dict[str, Any]) -> str:
    """A text whose words are coloured by what they do to its class's log-odds."""
    largest = max((abs(piece["effect"]) for piece in record["words"]), default=0.0) or 1.0
    words = " ".join(
        f'<span style="background: rgba({FOR if piece["effect"] > 0 else AGAINST}, '
        f'{0.75 * abs(piece["effect"]) / largest:.2f})" title="{piece["effect"]:+.2f}">{for_html(piece["text"])}</span>'
        for piece in record["words"]
    )
    strongest = sorted(record["words"], key=lambda piece: -piece["effect"])[:3]
    strongest_pieces = ", ".join(
        f"{for_html(piece['text'])} ({piece['effect']:+.1f})" for piece in strongest if piece["effect"] > 0
    )
    return block(
        f"<h3>Words that speak for {for_html(record['target']['path'][-1])}</h3>",
        f'<p class="words">{words}</p>',
        '<p class="note">Red for it, blue against it: what the log-odds of the class lose when the word is left out. '
        f"Strongest: {strongest_pieces or 'none'}.</p>",
    )


def nearest_html(record: dict[str, Any]) -> str:
    """The class texts that are most like a text."""
    rows = [[near["class"], near["text"], f"{near['cosine']:.2f}"] for near in record["nearest_texts"]]
    return block("<h3>Nearest class texts</h3>", table_html(["class", "text", "cosine"], rows))


def table_html(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; one of many columns becomes a list of its rows where the page is narrow."""
    head = "".join(f"<th>{for_html(cell)}</th>" for cell in header)
    cells = [
        "".join(
            f'<td data-name="{for_html(name)}">{for_html(cell)}</td>' for name, cell in zip(header, row, strict=True)
        )
        for row in rows
    ]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    wide = ' class="wide"' if len(header) > NARROW_COLUMNS else ""
    return f'<div class="scroll"><table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def page_html(record: dict[str, Any]) -> str:
    """A page's verdict: class, probabilities, how it lies."""
    ranked = sorted(record["probabilities"].items(), key=lambda pair: -pair[1])[:5]
    rows = "".join(
        f'<li class="{"chosen" if name == record["class_name"] else ""}" style="--level: 1">'
        f'<span class="name">{for_html(name)}</span>'
        f'<span class="bar" aria-hidden="true"><span style="width: {100 * value:.1f}%"></span></span>'
        f'<span class="number">{percent(value)}</span></li>'
        for name, value in ranked
    )
    lies = record["orientation"]
    note = (
        f"Found lying: {lies['found']} (probability {percent(lies['probability'])})."
        if lies
        else "These models were not taught to tell how a page lies; it is shown as it came."
    )
    warning = f'<p class="warning">{for_html(record["warning"])}</p>' if "warning" in record else ""
    return block(
        f'<p class="note">{for_html(record["name"])}</p><p class="verdict">{for_html(record["class_name"])}</p>',
        f'<ul class="tree">{rows}</ul><p class="note">{note} Probabilities are calibrated.</p>',
        warning,
    )


def pictures_html(pictures: Sequence[tuple[np.ndarray, str]]) -> str:
    """The nearest training pages, or that there are none here.

    Args:
        pictures: (H, W, 3) uint8 and a caption of each.
    """
    if not pictures:
        return block('<p class="note">The nearest training pages are not known: the prepared pages are not here.</p>')
    figures = "".join(
        f'<figure><img src="{picture_url(pixels)}" alt="training page: {for_html(caption)}">'
        f"<figcaption>{for_html(caption)}</figcaption></figure>"
        for pixels, caption in pictures
    )
    return block("<h3>Nearest training pages</h3>", f'<div class="pictures">{figures}</div>')


def picture_url(pixels: np.ndarray) -> str:
    """A small JPEG of a picture (H, W, 3) uint8 as a data URL."""
    image, content = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    image.save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def speech_html(record: dict[str, Any]) -> str:
    """A recording's verdict, and a warning where it is unlike what the detector learnt from."""
    spoof = record["decision"] == "spoof"
    verdict = "Synthesised" if spoof else "Natural speech"
    known, by = record["familiarity"], record["spoof_probability_by"]
    if known is None:
        warning = '<p class="note">Whether it is like the training recordings is not known: they are not here.</p>'
    elif known["unlike"]:
        reasons = "".join(f"<li>{for_html(reason)}</li>" for reason in known["reasons"])
        warning = (
            '<div class="warning" role="alert"><strong>Unlike the training recordings: do not trust the verdict.'
            "</strong> "
            f"Its distance from them is {known['distance']:.2f}; 99 of 100 dev recordings stay below "
            f"{known['threshold']:.2f}.{f'<ul>{reasons}</ul>' if reasons else ''}</div>"
        )
    else:
        warning = (
            f'<p class="note">Like the training recordings: distance {known["distance"]:.2f} of '
            f"{known['threshold']:.2f} allowed.</p>"
        )
    damage = f'<p class="warning">{for_html(record["damage"])}</p>' if "damage" in record else ""
    return block(
        f'<p class="note">{for_html(record["name"])}, {record["seconds"]:.1f} s</p>',
        f'<p class="verdict">{verdict}</p>',
        f"<p>Calibrated probability of a synthesis, at equal priors: {percent(record['spoof_probability'])}. "
        f"Score {record['score']:.2f}, decided at {record['threshold']:.2f} (higher is more natural).</p>",
        f'<p class="note">The network alone says {percent(by["detector"])}, the spectral statistics alone '
        f"{percent(by['baseline'])}.</p>",
        damage,
        warning,
    )


def moments_html(moments: Sequence[Mapping[str, float]], urls: Sequence[str]) -> str:
    """The moments of highest importance, each with its sound.

    Args:
        moments: `seconds` and `importance` of each.
        urls: of the sound around each moment.
    """
    items = "".join(
        f"<li>{number}: at {moment['seconds']:.2f} s, importance {moment['importance']:.2f}"
        f'<audio controls loop preload="auto" src="{for_html(url)}" class="key-{number}" '
        f'aria-label="the sound around {moment["seconds"]:.2f} s"></audio></li>'
        for number, (moment, url) in enumerate(zip(moments, urls, strict=True), 1)
    )
    return block(
        "<h3>Moments of highest importance</h3>",
        f'<ul class="moments">{items}</ul>',
        '<p class="note">Up to a second around each, repeated until paused; their numbers are keys.</p>',
    )


def headlines_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The headline figures."""
    return block("<h3>Headline figures of the working folder</h3>", table_html(header, rows))


def experiments_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The experiments, or how to make one."""
    if not rows:
        hint = '<p class="note">No experiments; <code>dvc exp run -S train.lr=5e-4</code> makes one.</p>'
        return block("<h3>Experiments</h3>", hint)
    note = '<p class="note">Figures that changed against the commit an experiment started from, with the verdict.</p>'
    return block("<h3>Experiments</h3>", table_html(header, rows), note)


def report_html(there: bool) -> str:
    """A link to the report, or how to make it."""
    if there:
        address = '<a href="report" target="_blank" rel="noopener">Open report.html</a>'
        link = f"<p>{address}: all curves, tables and pictures.</p>"
    else:
        link = (
            '<p class="note">There is no report.html yet: the button writes it, as <code>make report</code> does.</p>'
        )
    return block("<h3>Report</h3>", link)
