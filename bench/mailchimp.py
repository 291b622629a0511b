"""A stand-in Mailchimp for measuring: one audience and one store, answers of real size, no checks.

    python -m bench.mailchimp --batch-ms 200 --member-ms 2.6 --call-ms 200

A batch takes `batch-ms` plus `member-ms` for each member in it; every other call takes `call-ms`. More than `cap` calls
in flight are refused with 429, as Mailchimp does above ten. `GET /stats` says what was received.
"""

import argparse
import time
import zlib
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs

import msgspec

from bench.mailchimp_store import Store
from bench.serving import Answer, Request, StandIn, serve
from sandbox.mailchimp.rendering import Renderer
from sandbox.mailchimp.state import Audience, Settings

LIST_ID = "a6b5da1054"
API_KEY = "0123456789abcdef0123456789abcdef-us6"
_ROOT = f"/3.0/lists/{LIST_ID}"
_BATCH = f"POST {_ROOT}"
_ACCOUNT = {
    "account_id": "8d3a3db4d97663a9074efcc16",
    "account_name": "Bench",
    "login_id": "1234567",
    "role": "owner",
    "pricing_plan_type": "monthly",
    "total_subscribers": 0,
}
_FIELDS = (
    "EMAIL",
    "FNAME",
    "LNAME",
    "COMPANY",
    "PHONE",
    "CITY",
    "POSTCODE",
    "COUNTRY",
    "LANGUAGE",
    "CATEGORY",
    "X3CODE",
)


class _Row(msgspec.Struct, gc=False):
    email_address: str
    merge_fields: msgspec.Raw = msgspec.Raw(b"{}")


class _Batch(msgspec.Struct):
    members: list[_Row]


class _Field(msgspec.Struct):
    tag: str
    name: str = ""
    type: str = "text"


class _Change(msgspec.Struct):
    merge_fields: msgspec.Raw = msgspec.Raw(b"{}")


_batch = msgspec.json.Decoder(_Batch)
_change = msgspec.json.Decoder(_Change)
_encode = msgspec.json.encode


def member_template() -> bytes:
    """A member's JSON as the sandbox writes it, 3.3 KB with its links; open are hash, address and merge fields."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00").encode()
    renderer = Renderer(Audience(LIST_ID, "Bench", 0), Settings())
    return renderer.template % {
        b"hash": b"%(hash)s", b"email": b'"%(email)s"', b"merge": b"%(merge)s", b"person": 123_456_789,
        b"name": b'"Chlo\xc3\xa9 Lef\xc3\xa8vre-Martin"', b"type": b"html", b"status": b"transactional", b"reason": b"",
        b"interests": b"{}", b"created": now, b"opted": now, b"changed": now, b"language": b'"fr"', b"vip": b"false",
        b"count": 1, b"tags": b'[{"id":1001,"name":"x3-customer"}]',
    }  # fmt: skip


class Mailchimp(StandIn):
    """Holds addresses, not their data. Times in seconds."""

    def __init__(
        self, batch_seconds: float = 0.0, member_seconds: float = 0.0, call_seconds: float = 0.0, cap: int = 10
    ) -> None:
        super().__init__()
        self._batch_seconds, self._member_seconds, self._call_seconds = batch_seconds, member_seconds, call_seconds
        self._cap = cap
        self._template = member_template()
        self.store = Store()
        self._fields: list[dict[str, Any]] = []
        self._emails: dict[str, bytes] = {}  # by subscriber hash
        self._changed: dict[str, float] = {}
        self._received = self._largest = self._throttled = 0
        self._first_at: float | None = None
        self._last_at: float | None = None
        for tag in _FIELDS[1:]:
            self._add_field(_Field(tag, tag.capitalize()))

    def statistics(self) -> dict[str, Any]:
        return {
            **super().statistics(),
            "members": self._received,
            "distinct": len(self._emails),
            "largest_batch": self._largest,
            "throttled": self._throttled,
            "first_at": self._first_at,
            "last_at": self._last_at,
            "store": self.store.statistics(),
        }

    def answer(self, request: Request) -> Answer:
        if self.traffic.in_flight > self._cap:
            self._throttled += 1
            return Answer(b'{"title":"Too Many Requests","status":429}', status=429)
        what = f"{request.method} {request.path}"
        if what == _BATCH:
            return self._batch(request)
        if "/members/" in request.path:
            return self._member(request)
        if "/ecommerce/" in request.path:
            return self._of_store(request)
        self.traffic.requests[what] += 1
        return Answer(self._read(what, request), self._call_seconds)

    def _of_store(self, request: Request) -> Answer:
        found = self.store.answer(request.method, request.path, request.body)
        if found is None:
            self.refuse(f"{request.method} {request.path}")
            return Answer(b'{"title":"Resource Not Found","status":404}', status=404)
        self._first_at = self._first_at or time.time()
        self.traffic.requests[found[0]] += 1
        return _sized(request, found[1], self._call_seconds)

    def done(self, request: Request) -> None:
        if (request.method == "POST" and request.path == _ROOT) or request.method == "PUT":
            self._last_at = time.time()

    def _batch(self, request: Request) -> Answer:
        self.traffic.requests["batch"] += 1
        self._first_at = self._first_at or time.time()
        rows = _batch.decode(request.body).members
        self._received += len(rows)
        self._largest = max(self._largest, len(rows))
        members = b",".join([self._stored(row.email_address, bytes(row.merge_fields)) for row in rows])
        body = b'{"new_members":[%b],"updated_members":[],"errors":[],"total_created":%d,' % (members, len(rows))
        body += b'"total_updated":0,"error_count":0,"_links":[]}'
        return _sized(request, body, self._batch_seconds + self._member_seconds * len(rows))

    def _stored(self, email: str, merge: bytes) -> bytes:
        """Note a member; its JSON as the answer shows it."""
        hash_ = md5(email.lower().encode()).hexdigest()
        self._emails[hash_] = email.encode()
        self._changed[hash_] = time.time()
        return self._template % {b"hash": hash_.encode(), b"email": email.encode(), b"merge": merge}

    def _member(self, request: Request) -> Answer:
        """PUT and PATCH of one member, and its tags."""
        hash_, _, action = request.path.removeprefix(f"{_ROOT}/members/").partition("/")
        self.traffic.requests[f"{request.method} member {action}".strip()] += 1
        if action == "tags":
            return Answer(b"", self._call_seconds, 204)
        if request.method not in ("PUT", "PATCH") or action:
            self.refuse(f"{request.method} {request.path}")
            return Answer(b'{"title":"Resource Not Found","status":404}', status=404)
        change = _change.decode(request.body)
        if request.method == "PUT":
            email = msgspec.json.decode(request.body, type=_Row).email_address
        else:
            email = self._emails[hash_].decode()
        return _sized(request, self._stored(email, bytes(change.merge_fields)), self._call_seconds)

    def _read(self, what: str, request: Request) -> bytes:
        match what.removeprefix("GET /3.0"):
            case "/ping":
                return b'{"health_status":"Everything\'s Chimpy!"}'
            case "" | "/":
                return _encode(_ACCOUNT)
            case "/lists":
                return _encode({"lists": [{"id": LIST_ID, "name": "Bench"}], "total_items": 1})
            case path if path == f"/lists/{LIST_ID}":
                return _encode({"id": LIST_ID, "name": "Bench", "double_optin": False, "stats": {"member_count": 0}})
            case path if path == f"/lists/{LIST_ID}/members":
                return self._page(parse_qs(request.query))
            case path if path == f"/lists/{LIST_ID}/merge-fields":
                return _encode({"merge_fields": self._fields, "total_items": len(self._fields)})
        if what == f"POST {_ROOT}/merge-fields":
            return _encode(self._add_field(msgspec.json.decode(request.body, type=_Field)))
        self.refuse(what)
        return b"{}"

    def _add_field(self, field: _Field) -> dict[str, Any]:
        made = {"merge_id": len(self._fields) + 1, "tag": field.tag, "name": field.name, "type": field.type}
        self._fields.append({**made, "required": False, "default_value": "", "public": False, "options": {"size": 25}})
        return self._fields[-1]

    def _page(self, query: dict[str, list[str]]) -> bytes:
        """Members with the fields a mirror asks for; nobody is archived here."""
        since = (
            datetime.fromisoformat(query["since_last_changed"][0]).timestamp() if "since_last_changed" in query else 0
        )
        hashes = [] if "status" in query else [h for h, changed in self._changed.items() if changed >= since]
        offset, count = int(query.get("offset", ["0"])[0]), int(query.get("count", ["10"])[0])
        rows = [
            b'{"id":"%b","email_address":"%b","status":"transactional","last_changed":"%b"}'
            % (hash_.encode(), self._emails[hash_], _iso(self._changed[hash_]))
            for hash_ in hashes[offset : offset + count]
        ]
        return b'{"members":[%b],"total_items":%d}' % (b",".join(rows), len(hashes))


def _iso(instant: float) -> bytes:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00").encode()


def _sized(request: Request, body: bytes, seconds: float) -> Answer:
    if not request.takes_gzip:
        return Answer(body, seconds)
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return Answer(packer.compress(body) + packer.flush(), seconds, gzipped=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("batch-ms", "member-ms", "call-ms"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--cap", type=int, default=10)
    given = parser.parse_args()
    app = Mailchimp(given.batch_ms / 1000, given.member_ms / 1000, given.call_ms / 1000, given.cap)
    serve(app, "mailchimp")


if __name__ == "__main__":
    main()
