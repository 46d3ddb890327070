"""A working folder with data of a person's own and what the stages found in it, for each task."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reprise.core.files import write_text
from reprise.deepfake.data.audio import write_flac
from tests.conftest import read_params
from tests.deepfake.helpers import speech
from tests.documents.helpers import write_folder

CLASSES = ("food", "hot meals", "tea_time")
PROTOCOL = "a train bonafide\nb train spoof\nc dev bonafide\nd dev spoof\ne eval bonafide\nf eval spoof\n"


def write_params(folder: Path, **data: str) -> None:
    """Write params.yaml with other folders of data.

    Args:
        folder: to work in.
        data: path by task.
    """
    params: dict[str, Any] = read_params()
    for task, path in data.items():
        params[task]["data"] = path
    for split in params["deepfake"]["protocols"]:
        params["deepfake"]["protocols"][split] = "protocol.txt"
    with (folder / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(params, file)


def write_labels(folder: Path) -> Path:
    """Write pages of three kinds and two suspects; returns the folder of data."""
    data = write_folder(folder / "data/documents/mine")
    rows = ("bars0,bars0.png,bars,dots,0.9,0.05,0", "dots1,dots1.png,dots,bars,0.8,0.1,1")
    table = "\n".join(["ID,file,label,predicted,probability,label_probability,fold", *rows, ""])
    write_text(folder / "metrics/documents/suspects.csv", table)
    return data


def write_questions(folder: Path) -> Path:
    """Write a corpus, two questions and two unclear classes; returns the folder of data."""
    data = folder / "data/taxonomy/mine"
    write_text(data / "classes.txt", "".join(f"{number}\t{name}\n" for number, name in enumerate(CLASSES)))
    write_text(data / "class_hierarchy.txt", "0\t1\n")
    write_text(data / "class_related_keywords.txt", "hot meals:soup,stew\n")
    long = "a cup " * 60
    write_text(data / "train_corpus.txt", f"x\t{long}\n=1\tsome text\ny\tmore text\n")
    likely = "doc_id,text,likely_id,likely,likely_probability,second_id,second,second_probability"
    rows = ("x,a cup,2,tea time,0.4,1,hot meals,0.3", "'=1,some text,1,hot meals,0.5,2,tea time,0.2")
    write_text(folder / "metrics/taxonomy/ask.csv", "\n".join([likely, *rows, ""]))
    header = "id,class,doubt,mistaken_for,documents,came,left,words,example_1,example_2"
    rows = ("2,tea time,0.5,hot meals,7,0.1,0.2,cup kettle,a cup,", "1,hot meals,0.25,,9,0,0,,soup,stew")
    write_text(folder / "metrics/taxonomy/unclear_classes.csv", "\n".join([header, *rows, ""]))
    return data


def write_recordings(folder: Path) -> Path:
    """Write recordings, a protocol of all but one of them; returns the folder of data."""
    data = folder / "data/deepfake/mine/flac"
    data.mkdir(parents=True)
    for number, name in enumerate([*"abcdef", "new call"]):
        write_flac(data / f"{name}.flac", speech(0.05, number))
    write_text(folder / "protocol.txt", PROTOCOL)
    return data
