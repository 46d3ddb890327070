"""Set the remote that `dvc push` and `dvc pull` use, such that `dvc pull` refuses damaged objects.

    reprise remote s3://bucket/path
    reprise remote s3://bucket/path --endpoint http://127.0.0.1:9000
    make remote URL=s3://bucket/path

The address is written to .dvc/config, which Git tracks. Credentials are not: they come from the usual variables of AWS
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE), from ~/.aws, or from the role of the machine. With the option
`verify`, `dvc pull` computes the checksum of each object that it fetches; without it DVC accepts a damaged object.
"""

import re
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.tools.repository import dvc

NAME = "storage"
ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/]*)(?P<path>.*)", re.DOTALL)
HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
CREDENTIALS = "credentials do not belong in a tracked file: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws"


def main(
    url: Annotated[str, typer.Argument(help="s3://bucket/path, a folder, or another address that DVC takes.")],
    endpoint: Annotated[str | None, typer.Option(help="Address of an S3 server that is not AWS's.")] = None,
) -> None:
    """Set the default DVC remote, such that `dvc pull` refuses damaged objects."""
    check_address(url, "the remote's address")
    if endpoint is not None:
        check_address(endpoint, "the endpoint")
        if not re.match("https?://", endpoint):
            raise InputError(f"the endpoint: {endpoint}: expected http://host:port or https://host")
    dvc("remote", "add", "--force", "--default", NAME, url)
    dvc("remote", "modify", NAME, "verify", "true")
    if endpoint is not None:
        dvc("remote", "modify", NAME, "endpointurl", endpoint)
    typer.echo("written to .dvc/config; commit it, then: dvc push")


def check_address(url: str, what: str) -> None:
    """Refuse an address that holds credentials, without repeating it, and one whose scheme is misspelt.

    Raises:
        InputError: one of the two.
    """
    if not url.strip():
        raise InputError(f"{what} is missing: make remote URL=s3://bucket/path")
    if not url.isprintable() or url.startswith("-"):
        raise InputError(f"{what}: a dash at its start, or characters that cannot be seen")
    if not (match := ADDRESS.fullmatch(url)):
        if "@" in url.partition("/")[0] or url.count(":") > 1:  # KEY:SECRET@bucket
            raise InputError(f"{what}: neither a folder nor scheme://host/path; {CREDENTIALS}")
        if re.match(r"[^/]*:", url):  # s3:/bucket, host:folder
            start = url.partition(":")[0]  # what follows could be a secret: KEY:SECRET
            raise InputError(f"{what}: {start}:...: expected scheme://host/path, such as s3://bucket/path, or a folder")
        return
    if re.search("[?#]", url) or "@" in match["host"]:
        raise InputError(f"{what}: a user, a password, `?` and `#` are refused; {CREDENTIALS}")
    if match["host"] and not HOST.fullmatch(match["host"]):
        raise InputError(f"{what}: what follows {match['scheme']}:// is no host or bucket; {CREDENTIALS}")
    if not match["host"] and match["scheme"] != "file":
        raise InputError(f"{what}: {match['scheme']}:// lacks a bucket or host")


if __name__ == "__main__":
    run_command(main)
