"""Shop reviews written from the vocabulary, and the files that describe its classes."""

from typing import Annotated

import numpy as np
from pydantic import Field

from reprise.core.params import Params
from reprise.core.recipe import Fraction
from reprise.taxonomy.sample import vocabulary


class SampleParams(Params):
    """Params taxonomy.sample."""

    train_documents: Annotated[int, Field(ge=1)]
    test_documents: Annotated[int, Field(ge=1)]
    several: Fraction
    inner: Fraction
    off_topic: Fraction
    short: Fraction
    long: Fraction
    typos: Fraction
    unevenness: Annotated[float, Field(ge=0)]


def class_files() -> dict[str, str]:
    """Contents of the files that describe the classes, by name; ids are numbers in the vocabulary's order."""
    ids = class_ids()
    return {
        "classes.txt": "".join(f"{ids[key]}\t{name}\n" for key, (name, _) in vocabulary.CLASSES.items()),
        "class_hierarchy.txt": "".join(
            f"{ids[parent]}\t{ids[key]}\n" for key, (_, parents) in vocabulary.CLASSES.items() for parent in parents
        ),
        "class_related_keywords.txt": "".join(
            f"{vocabulary.CLASSES[key][0]}:{','.join(words)}\n" for key, words in vocabulary.KEYWORDS.items()
        ),
    }


def class_ids() -> dict[str, str]:
    """Id of each class of the vocabulary."""
    return {key: str(number) for number, key in enumerate(vocabulary.CLASSES)}


def write_review(params: SampleParams, generator: np.random.Generator) -> tuple[str, list[str]]:
    """Write one review and give its class ids, closed under ancestors, in ascending order."""
    draw = generator.random()
    if draw < params.off_topic:
        text, keys = ". ".join(_pick(generator, vocabulary.OFF_TOPIC, 2)) + ".", []
    elif draw < params.off_topic + params.inner:
        keys = [_choose(generator, tuple(vocabulary.DEPARTMENT_REMARKS))]
        text = f"{_choose(generator, vocabulary.DEPARTMENT_REMARKS[keys[0]])}. {_filler(generator)}"
    else:
        keys = _choose_products(params, generator)
        text = _review_of(keys, params, generator)
    labels = sorted({int(class_ids()[above]) for key in keys for above in _with_ancestors(key)})
    return _with_typos(text, params.typos, generator), [str(label) for label in labels]


def _choose_products(params: SampleParams, generator: np.random.Generator) -> list[str]:
    products = list(vocabulary.PRODUCTS)
    # A fixed shuffle decides which classes are large, so that no department is large as a whole.
    order = np.random.default_rng(0).permutation(len(products))
    weights = (1.0 + order) ** -params.unevenness
    count = 2 if generator.random() < params.several else 1
    return [products[i] for i in generator.choice(len(products), count, replace=False, p=weights / weights.sum())]


def _review_of(keys: list[str], params: SampleParams, generator: np.random.Generator) -> str:
    key, others = keys[0], keys[1:]
    product = _choose(generator, vocabulary.PRODUCTS[key])
    draw = generator.random()
    if draw < params.short and not others:
        return _choose(generator, vocabulary.SHORT).format(product=product)
    opening = _choose(generator, vocabulary.OPENINGS).format(
        product=product, month=_choose(generator, vocabulary.MONTHS), person=_choose(generator, vocabulary.PERSONS)
    )
    remarks = [_sentence(text) for text in _pick(generator, vocabulary.REMARKS[key], int(generator.integers(1, 3)))]
    sentences = [opening, *remarks, _filler(generator)]
    for other in others:
        link = _choose(generator, vocabulary.LINKS)
        remark = _choose(generator, vocabulary.REMARKS[other])
        sentences.append(link.format(product=_choose(generator, vocabulary.PRODUCTS[other]), remark=remark))
    if draw > 1 - params.long:
        sentences += [_filler(generator) for _ in range(int(generator.integers(60, 120)))]
    return " ".join(sentences)


def _with_ancestors(key: str) -> set[str]:
    return {key}.union(*(_with_ancestors(parent) for parent in vocabulary.CLASSES[key][1]))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _filler(generator: np.random.Generator) -> str:
    return _choose(generator, vocabulary.FILLERS)


def _choose(generator: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(generator.integers(len(choices)))]


def _pick(generator: np.random.Generator, choices: tuple[str, ...], count: int) -> list[str]:
    return [choices[int(index)] for index in generator.choice(len(choices), count, replace=False)]


def _with_typos(text: str, rate: float, generator: np.random.Generator) -> str:
    words = text.split(" ")
    for index in np.flatnonzero(generator.random(len(words)) < rate):
        word = words[index]
        if len(word) > 3:
            place = int(generator.integers(1, len(word) - 2))
            words[index] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return " ".join(words)
