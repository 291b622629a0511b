"""Answers with their headers, and the versions that callers hold against us."""

from collections.abc import Mapping

from fastapi.responses import Response
from pydantic import BaseModel

from app.api.problems import PreconditionFailed

JSON = "application/json"


def answer(model: BaseModel, status: int = 200, *, version: int | None = None, location: str | None = None) -> Response:
    """A JSON answer; `version` becomes its ETag."""
    headers: dict[str, str] = {}
    if version is not None:
        headers["ETag"] = etag(version)
    if location is not None:
        headers["Location"] = location
    return Response(model.model_dump_json(), status, headers, JSON)


def no_content() -> Response:
    return Response(status_code=204)


def etag(version: int) -> str:
    return f'"{version}"'


def check_version(headers: Mapping[str, str], version: int) -> None:
    """Raises PreconditionFailed when If-Match is given and names other versions. Weak tags never match (RFC 9110)."""
    wanted = headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if etag(version) not in (part.strip() for part in wanted.split(",")):
        raise PreconditionFailed
