"""The one exception that means: the person who runs the stage can put this right."""


class InputError(Exception):
    """Bad data or a bad parameter: one line that names the file, the place in it and what was expected.

    The stage runner prints the line and ends with exit code 1; every other exception is our own mistake and
    keeps its traceback.
    """
