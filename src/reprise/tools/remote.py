"""Set the remote that `dvc push` and `dvc pull` use, so that damaged objects are refused.

    python -m reprise.tools.remote s3://bucket/path
    python -m reprise.tools.remote s3://bucket/path --endpoint http://127.0.0.1:9000

The address goes into .dvc/config, for Git. Credentials never do: they come from the usual variables of AWS
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE), ~/.aws, or the role of the machine. `verify` makes `dvc pull`
compute the checksum of what it fetches; without it a damaged object is taken as it comes.
"""

import argparse
import subprocess
import sys
from urllib.parse import urlsplit

NAME = "storage"


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Set the default DVC remote, with verification.")
    parser.add_argument("url", help="s3://bucket/path, or whatever else DVC takes")
    parser.add_argument("--endpoint", help="of an S3 server that is not AWS's")
    arguments = parser.parse_args()
    for url in (arguments.url, arguments.endpoint or ""):
        if "@" in urlsplit(url).netloc:
            print(f"{url}: credentials do not belong into a tracked file; see `python -m reprise.tools.remote -h`")
            return 1
    commands = [["add", "--force", "--default", NAME, arguments.url], ["modify", NAME, "verify", "true"]]
    if arguments.endpoint:
        commands.append(["modify", NAME, "endpointurl", arguments.endpoint])
    for command in commands:
        if subprocess.run(["dvc", "remote", *command], check=False).returncode:
            return 1
    print("written to .dvc/config; commit it, then: dvc push")
    return 0


if __name__ == "__main__":
    sys.exit(main())
