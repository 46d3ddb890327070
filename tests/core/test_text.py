"""Names that would do something where they are shown, and what is shown instead."""

import csv
import html.parser
import io
import json
import unicodedata

import pytest

from reprise.core.text import INVISIBLE, for_csv, for_html, for_markdown, for_mermaid, for_terminal, json_line

NAMES = [
    "plain",
    "naïve Größe 発票",
    "<img src=x onerror=alert(1)>",
    "a|b",
    "@everyone",
    "#12 GH-3 www.example.org https://example.org",
    "![x](https://example.org/x.png)",
    "=1+1",
    "\x1b[2J\x1b]0;title\x07",
    "two\nlines\r\u2028",
    "a\u202eb\u200b",
    "``` | `",
    "$x$ **b** _i_ ~s~",
    "&lt;&#64;",
    "\ud800",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_gets_one_line_of_printable_characters(name):
    shown = for_terminal(name)
    assert shown.isprintable() or shown == ""
    assert shown == name or not name.isprintable(), "only what cannot be shown is spelt out"


def test_escapes_are_spelt_out():
    assert for_terminal("\x1b[2J\n\u202e") == r"\x1b[2J\n\u202e"


class Text(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, attributes))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_html_reads_back_as_the_text(name):
    parser = Text()
    parser.feed(f'<p title="{for_html(name)}">{for_html(name)}</p>')
    assert parser.tags == [("p", [("title", for_terminal(name))])]
    assert parser.text == for_terminal(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("code", [False, True])
def test_markdown_renders_as_the_text(name, code):
    """The second truth is a renderer, with tables and with addresses made into links."""
    markdown_it = pytest.importorskip("markdown_it")
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    cell = for_markdown(name, code=code)
    page = renderer.render(f"| a | b |\n| --- | --- |\n| {cell} | end |\n")
    parser = Text()
    parser.feed(page)
    assert {tag for tag, _ in parser.tags} <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    rendered = page.split("<td>")[1].removesuffix("</td>\n")
    own = Text()
    own.feed(rendered.replace("<code>", "").replace("</code>", ""))
    assert own.text.strip().replace("\u200b", "") == for_terminal(name).strip()
    assert page.count("<td>") == 2, "a name adds no cell"


def test_github_links_nothing():
    shown = for_markdown("@everyone #12 GH-3 https://example.org www.example.org")
    for linked in ("@everyone", "#12", "GH-3", "GH\\-3", "://", "www.", "www\\."):
        assert linked not in shown


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_is_a_formula(name):
    file = io.StringIO()
    csv.writer(file).writerow([for_csv(name), 1])
    cell = next(csv.reader(io.StringIO(file.getvalue())))[0]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == for_terminal(name)


def test_no_cell_is_a_formula_of_wide_signs():
    for sign in "\uff1d\uff0b\uff0d\uff20":
        assert for_csv(f"{sign}1+1") == f"'{sign}1+1"


def test_numbers_of_a_csv_stay():
    assert [for_csv(value) for value in (-1.5, "-2e-3", "+4", 7)] == ["-1.5", "-2e-3", "+4", "7"]


@pytest.mark.parametrize("name", NAMES)
def test_a_mermaid_label_ends_where_it_should(name):
    label = for_mermaid(name)
    assert label[0] == label[-1] == '"'
    assert all(character.isalnum() or character in " #;" for character in label[1:-1])


@pytest.mark.parametrize(
    "name", ["a\x1b[31mb", "\u202eabc", "line\nend", "ü日本", "\ud800", "\x7f", "\U000e0001", 'quote"']
)
def test_a_line_of_json_shows_no_mark_and_reads_back(name):
    line = json_line({"name": name})
    assert json.loads(line) == {"name": name}
    assert not [sign for sign in line if unicodedata.category(sign) in INVISIBLE]


def test_json_lines_hold_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        json_line({"p": float("nan")})
