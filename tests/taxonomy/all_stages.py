"""The task's stages in the order of the pipeline."""

from collections.abc import Sequence
from types import ModuleType

from reprise.taxonomy.stages import ask, core_classes, evaluate, prepare, recipe, sample, self_train, similarity, train

BEFORE_TRAINING = (sample, prepare, similarity, core_classes, recipe)
ALL = (*BEFORE_TRAINING, ask, train, self_train, evaluate)


def run(stages: Sequence[ModuleType]) -> None:
    for stage in stages:
        stage.main()
