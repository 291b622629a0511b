"""REST api1 of Syracuse: lists by class with paging links, single records, and errors that hide in a 200."""

import re
import uuid
from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import quote

from sandbox.http import Answer, Request, json_answer
from sandbox.x3.auth import check_basic
from sandbox.x3.classes import RestClass, rest_classes
from sandbox.x3.state import X3State
from sandbox.x3.where import BadWhere, Test, parse_where

DEFAULT_COUNT = 20
_PATH = re.compile(r"/api1/x3/erp/([^/]+)/([A-Z0-9_]+)(?:\('((?:[^']|'')*)'\))?/?")
_NAMESPACE = uuid.UUID("6d000000-0000-4000-8000-000000000000")


class RestError(Exception):
    """An HTTP error with one diagnosis."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def diagnoses(message: str) -> dict[str, Any]:
    return {"$diagnoses": [{"$severity": "error", "$message": message}]}


class Rest:
    """Everything under `/api1`."""

    def __init__(self, state: X3State) -> None:
        self.state = state
        self.classes = rest_classes(state.folder)

    def answer(self, request: Request) -> Answer:
        refused = check_basic(self.state, request)
        if refused is not None:
            return refused
        if request.method != "GET":
            return json_answer(405, diagnoses("Method not allowed"))
        self.state.requests["rest"] += 1
        try:
            answer = self.route(request)
        except RestError as wrong:
            return json_answer(wrong.status, diagnoses(wrong.message))
        if self.state.settings.rest_bad_escapes:
            # Some servers write text columns without escaping their backslashes.
            answer.body = answer.body.replace(b"\\\\", b"\\")
        answer.delay_seconds = self.state.settings.page_latency_seconds
        return answer

    def route(self, request: Request) -> Answer:
        if request.path == "/api1/syracuse/collaboration/syracuse/endPoints":
            endpoint = self.state.settings.endpoint
            resources = [
                {"$uuid": str(uuid.uuid5(_NAMESPACE, endpoint)), "dataset": endpoint, "enablementStatus": "activated"}
            ]
            return json_answer(200, {"$itemsPerPage": 100, "$resources": resources})
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise RestError(404, "Not found")
        endpoint, name, key = match.groups()
        if endpoint != self.state.settings.endpoint:
            raise RestError(404, f"Endpoint {endpoint} not found")
        cls = self.classes.get(name)
        if cls is None or name in self.state.settings.rest_hides_classes:
            raise RestError(404, f"Class {name} not found")
        params = request.params()
        representation, _, facet = params.get("representation", "").partition(".")
        if representation not in cls.representations or facet not in ("$query", "$details"):
            raise RestError(400, "A representation of the class is needed, such as BPCUSTOMER.$query")
        if facet == "$details":
            if key is None:
                raise RestError(400, "$details wants a key")
            return self.details(cls, key.replace("''", "'"))
        return self.query(request, cls, representation, params)

    def columns(self, cls: RestClass, representation: str, *, is_list: bool) -> list[str]:
        """Columns a facet shows; representations beginning with Y are made to measure and show all in lists."""
        hidden = self.state.settings.rest_hides
        narrow = is_list and self.state.settings.rest_list_is_narrow and not representation.startswith("Y")
        return [name for name in (cls.narrow if narrow else cls.columns) if name not in hidden]

    def details(self, cls: RestClass, key: str) -> Answer:
        row = cls.table.get(key)
        if row is None:
            return json_answer(200, diagnoses("721 : Record does not exist"))
        if key in self.state.faults.refused_codes():
            return json_answer(200, diagnoses(f"Unauthorized: {key}"))
        value = self.row(cls, row, self.columns(cls, "", is_list=False))
        for name in cls.references:
            value[f"{name}_REF"] = {"$title": value.get(name)}
        self.state.requests["rest.details"] += 1
        return json_answer(200, value | cls.details(row))

    @staticmethod
    def row(cls: RestClass, row: Any, columns: list[str]) -> dict[str, Any]:
        value = {
            "$uuid": str(uuid.uuid5(_NAMESPACE, row.id)), "$etag": cls.columns["UPDDATTIM"](row), "$key": row.id,
        }  # fmt: skip
        for name in columns:
            value[name] = cls.columns[name](row)
        return value

    def query(self, request: Request, cls: RestClass, representation: str, params: dict[str, str]) -> Answer:
        columns = self.columns(cls, representation, is_list=True)
        count = self.count(params)
        order = self.order(params, columns)
        test = self.where(params, columns)
        found = self.found(cls, order, test, params.get("key", ""))
        rows = list(islice(found, count + 1))
        page = rows[:count]
        first = f"{self.base(request)}{request.path}?{self.link(params, count)}"
        links: dict[str, Any] = {"$first": {"$url": first}}
        if len(rows) > count and page:
            after = "~".join([str(cls.columns[name](page[-1])) for name, _ in order if name != cls.key] + [page[-1].id])
            links["$next"] = {"$url": f"{first}&key=gt.{quote(after, safe='')}"}
        resources = [self.row(cls, row, columns) for row in page]
        return json_answer(200, {"$itemsPerPage": count, "$resources": resources, "$links": links})

    def count(self, params: dict[str, str]) -> int:
        text = params.get("count", str(DEFAULT_COUNT))
        if not text.isdecimal() or int(text) < 1:
            raise RestError(400, "count must be a positive number")
        return min(int(text), self.state.settings.rest_page_maximum)

    @staticmethod
    def order(params: dict[str, str], columns: list[str]) -> list[tuple[str, bool]]:
        """(column, descending) pairs; only what the facet shows may be named."""
        order = []
        for part in filter(None, re.split("[,;]", params.get("orderBy", ""))):
            name, _, direction = part.strip().partition(" ")
            if name not in columns:
                raise RestError(500, f"Property {name} does not exist")
            order.append((name, direction.strip().lower() == "desc"))
        return order

    @staticmethod
    def where(params: dict[str, str], columns: list[str]) -> Test | None:
        if not params.get("where"):
            return None
        try:
            return parse_where(params["where"], frozenset(columns))
        except BadWhere as wrong:
            raise RestError(500, str(wrong)) from wrong

    def found(self, cls: RestClass, order: list[tuple[str, bool]], test: Test | None, key: str) -> Any:
        """Rows in order after the key of the paging link."""
        if key and not key.startswith("gt."):
            raise RestError(400, "key wants gt.VALUE")
        after = key.removeprefix("gt.")
        table = cls.table
        if not order or order == [(cls.key, False)]:
            start, end = table.key_slice(after or None, True, None, False)
            rows: Any = (table.rows[table.keys[position]] for position in range(start, end))
            return _passing(cls, rows, test)
        rows = list(_passing(cls, table.rows.values(), test))
        rows.sort(key=lambda row: row.id)
        for name, descending in reversed(order):
            rows.sort(key=cls.columns[name], reverse=descending)
        if not after:
            return rows
        last = after.rpartition("~")[2]
        position = next((index for index, row in enumerate(rows) if row.id == last), None)
        if position is None:
            mark = after.split("~")[0]
            return [row for row in rows if str(cls.columns[order[0][0]](row)) > mark]
        return rows[position + 1 :]

    def base(self, request: Request) -> str:
        host = self.state.settings.rest_link_host or request.host
        return f"{request.scheme}://{host}"

    @staticmethod
    def link(params: dict[str, str], count: int) -> str:
        kept = {name: params[name] for name in ("representation", "where", "orderBy") if name in params}
        return "&".join(f"{name}={quote(value, safe='$.')}" for name, value in (kept | {"count": str(count)}).items())


def _passing(cls: RestClass, rows: Any, test: Test | None) -> Any:
    if test is None:
        return rows
    return (row for row in rows if test(_reader(cls, row)))


def _reader(cls: RestClass, row: Any) -> Callable[[str], Any]:
    return lambda name: cls.columns[name](row)
