"""All stages of the documents task, one after the other: the true configuration, made small."""

from pathlib import Path
from typing import Any

from reprise.documents.stages import calibrate, evaluate, predict, prepare, recipe, train
from tests.conftest import write_params
from tests.documents.helpers import FOLDS, tiny


def own(**changes: Any) -> dict[str, Any]:
    """Parameters for the folder `own`."""
    params = tiny(**changes)
    params["documents"]["data"] = "own"
    return params


def run_all(params: dict[str, Any]) -> None:
    write_params(Path(), params)
    recipe.main()
    prepare.main()
    for fold in FOLDS:
        train.main(str(fold))
    after_training()


def after_training() -> None:
    calibrate.main()
    predict.main()
    evaluate.main()
