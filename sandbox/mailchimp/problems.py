"""Mailchimp's problem documents (reference, 6.1)."""

import uuid
from typing import Any

from sandbox.http import Answer, json_answer

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
CONTENT_TYPE = "application/problem+json; charset=utf-8"


class Problem(Exception):
    """A request refused: becomes a problem document. `errors` are (field, message) pairs."""

    def __init__(self, status: int, title: str, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors or []

    def answer(self) -> Answer:
        document: dict[str, Any] = {
            "type": TYPE, "title": self.title, "status": self.status, "detail": self.detail,
            "instance": str(uuid.uuid4()),
        }  # fmt: skip
        if self.errors:
            document["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return json_answer(self.status, document, content_type=CONTENT_TYPE)


def not_found() -> Problem:
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def invalid(detail: str, errors: list[tuple[str, str]] | None = None) -> Problem:
    return Problem(400, "Invalid Resource", detail, errors)


def key_invalid() -> Problem:
    detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return Problem(401, "API Key Invalid", detail)


def too_many() -> Problem:
    return Problem(429, "TooManyRequests", "You have exceeded the limit of 10 simultaneous connections.")
