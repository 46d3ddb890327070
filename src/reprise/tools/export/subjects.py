"""What the model cards say in words: a subject a task."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Subject:
    """The words of a task's card.

    Attributes:
        title: of the card.
        pipeline: the model hub's name for what the model does.
        metric: the hub's name of the first headline figure.
        does: what it does, and what comes out.
        command: how to call it, without the folder.
        counts: label -> key in metrics/<task>/data.json.
        limits: on what it was not measured.
    """

    title: str
    pipeline: str
    metric: str
    does: str
    command: str
    counts: Mapping[str, str]
    limits: tuple[str, ...]


SUBJECTS = {
    "taxonomy": Subject(
        title="Texts into a class hierarchy",
        pipeline="text-classification",
        metric="f1",
        does=(
            "Classifies texts into the classes of a hierarchy. It was trained without labels, from the names of the "
            "classes and a corpus of unlabelled texts. It gives each class a probability, and a text a set of classes "
            "that is closed upwards; a text about none of them gets the empty set."
        ),
        command='reprise predict taxonomy --text "the ball head slips with a long lens"',
        counts={
            "training texts": "train.documents",
            "test texts": "test.documents",
            "classes": "classes",
            "leaves": "leaves",
        },
        limits=(
            "Texts of another source, length or language than those of the data above.",
            "Classes that the hierarchy lacks: their texts get the nearest class, or none.",
            "Texts that somebody wrote to be misread.",
        ),
    ),
    "documents": Subject(
        title="Pages into classes",
        pipeline="image-classification",
        metric="f1",
        does=(
            "Classifies images of pages, scanned or photographed. Several networks, each trained without another part "
            "of the pages, are averaged over views of the page, and the probabilities are calibrated."
        ),
        command="reprise predict documents page.jpg",
        counts={"training pages": "train.pages", "test pages": "test.pages", "classes": "train.classes"},
        limits=(
            "Pages of none of the classes: each gets one of them, with a probability.",
            "Cameras, scanners, scripts and layouts that the data above lacks.",
            "Damage beyond that of the robustness figure.",
        ),
    ),
    "deepfake": Subject(
        title="Synthesised or natural speech",
        pipeline="audio-classification",
        metric="equal_error_rate",
        does=(
            "Tells synthesised from natural speech, with a calibrated probability at equal priors, and gives the "
            "importance of each 20 ms: which moments gave a synthesis away."
        ),
        command="reprise predict deepfake call.wav",
        counts={
            "training utterances": "train.utterances",
            "dev utterances": "dev.utterances",
            "eval utterances": "eval.utterances",
        },
        limits=(
            "Methods of synthesis, languages, microphones and codecs that the data above lacks. New methods appear all "
            "the time, and a detector is mostly worse on them.",
            "Recordings that somebody made to pass.",
            "Music, and several people who speak at once.",
            "The probability holds where half of the recordings are spoofs. It is no proof of anything.",
        ),
    ),
}
