"""A text file of sentences, to be read aloud."""

import dataclasses
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.deepfake.data.protocols import read_lines

LONGEST = 1000  # characters


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A line of a text file.

    Attributes:
        text: the line, composed (NFC), with single spaces.
        number: of the line, from 1.
        place: file and line, for errors.
    """

    text: str
    number: int
    place: str

    @property
    def key(self) -> str:
        """Its letters and digits: what sounds the same has one key, whatever its case, spaces and full stops."""
        return "".join(character for character in self.text.casefold() if character.isalnum())


def read_sentences(path: Path, least: int) -> list[Sentence]:
    """Read a text file, a sentence a line; empty lines are none.

    Args:
        path: of the file.
        least: sentences that it has to have.

    Raises:
        InputError: the file cannot be read or has too few sentences; one is too long, has no word, or comes twice.
    """
    sentences: dict[str, Sentence] = {}
    for number, line in read_lines(path):
        sentence = Sentence(compose_name(" ".join(line.split())), number, f"{path}: line {number}")
        if not sentence.text:
            continue
        if len(sentence.text) > LONGEST:
            raise InputError(f"{sentence.place}: {len(sentence.text)} characters; expected {LONGEST} at most")
        if not sentence.key:
            raise InputError(f"{sentence.place}: no letter and no digit; expected a sentence")
        if sentence.key in sentences:
            first = sentences[sentence.key].number
            raise InputError(f"{sentence.place}: the words of line {first} again; expected each sentence once")
        sentences[sentence.key] = sentence
    if len(sentences) < least:
        wanted = f"{least} or more, for train, dev and eval" if least > 1 else "one a line"
        raise InputError(f"{path}: sentences: {len(sentences)}; expected {wanted}")
    return list(sentences.values())
