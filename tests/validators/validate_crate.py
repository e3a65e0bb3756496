"""Validate a run crate with no network: roc-validator in an environment of its own, since it wants an older rich.

    PYTHON_OF_ROC_VALIDATOR tests/validators/validate_crate.py CRATE CONTEXT

``CONTEXT`` is the JSON-LD context that the library rocrate brings along, of RO-Crate 1.3, which has all terms of 1.1.
It answers for that of 1.1, which the validator would fetch. What is wrong is printed, a line for each; exit code 1.
"""

import json
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import services
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "provenance-run-crate-0.5"


class Answer(HTTPAdapter):
    """Answers with a file, whatever it is asked."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        headers = {"Content-Type": "application/ld+json"}
        body = BytesIO(self.file.read_bytes().replace(b"bioschemas.org/terms/", b"bioschemas.org/"))  # as 1.1 has it
        return self.build_response(request, HTTPResponse(body, headers, 200, preload_content=False))


def serve(cache: Path, context: Path) -> None:
    """Let ``cache`` answer for the context's address."""
    session = CachedSession(str(cache), backend="sqlite", expire_after=-1)
    session.mount("https://", Answer(context))
    session.get(CONTEXT)


def main(crate: Path, context: Path, severity: str = "REQUIRED") -> int:
    with TemporaryDirectory() as folder:
        cache = Path(folder) / "http"
        serve(cache, context)
        found = services.validate(services.ValidationSettings(
            rocrate_uri=str(crate), profile_identifier=PROFILE, requirement_severity=severity, offline=True,
            cache_path=str(cache),
        ))  # fmt: skip
        for issue in found.get_issues():
            print(f"{issue.check.identifier}: {issue.message} {json.dumps(getattr(issue, 'violatingEntity', None))}")
        return int(found.has_issues())


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3]), *sys.argv[3:]))
