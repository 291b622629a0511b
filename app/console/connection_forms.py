"""What each kind of connection asks for, and how a filled-in form becomes a body of the API."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Given = Callable[[str], str]
"""The text of a form's field, empty when it is not there."""
OTHER = "other_settings"


class Input(NamedTuple):
    """`place` is where the value goes in the body: url, settings or credential. A `type` number is converted."""

    name: str
    label: str
    place: str
    type: str = "text"
    required: bool = False
    hint: str = ""
    placeholder: str = ""
    default: str = ""

    @property
    def field(self) -> str:
        """Its name in the form."""
        return f"{self.place}.{self.name}"


class NotJson(Exception):
    """The further settings cannot be read."""


_URL_HINT = "As the console's server reaches it. The address must be one the operator allows."
_ENDPOINT = Input(
    "endpoint", "Folder or endpoint", "settings", hint="The X3 folder, such as SEED or PROD.", placeholder="SEED"
)
_TLS = Input(
    "tls_ca_pem",
    "Certificate of your own authority (PEM)",
    "settings",
    "area",
    hint="Only when the server's certificate is not publicly trusted.",
)
_PAGE = Input("page_size", "Records per page", "settings", "number", hint="Empty: 500.")
_MANY = Input(
    "max_concurrency", "Requests at a time", "settings", "number", hint="Empty: 2. More load on X3, faster runs."
)
_LATE = Input(
    "delta_overlap_seconds",
    "Overlap of changes, in seconds",
    "settings",
    "number",
    hint="Empty: 1020. How late a change may become visible in X3.",
)
_USER = Input("username", "User", "credential", required=True)
_PASSWORD = Input("password", "Password", "credential", "password", required=True)
_X3_MORE = (_TLS, _PAGE, _MANY, _LATE)
_CLIENT = (
    Input("client_id", "Client ID", "credential", required=True),
    Input("client_secret", "Client secret", "credential", "password", required=True),
)
_BASE = Input(
    "base_url",
    "Address of the Marketing API",
    "settings",
    "url",
    hint="Empty: Mailchimp's own. Set it only for a proxy or the sandbox.",
)

FORMS: Mapping[tuple[str, str], tuple[Sequence[Input], Sequence[Input]]] = {
    ("sage_x3", "graphql_jwt"): (
        (
            Input("url", "Address of the API", "url", "url", True, _URL_HINT, "https://x3.acme.test:8124/xtrem/api"),
            _ENDPOINT,
            *_CLIENT,
            Input(
                "subject",
                "X3 user it acts for",
                "credential",
                hint="A user that may read customers, suppliers and invoices; nothing is ever written to X3.",
            ),
        ),
        (Input("jwt_audience", "Audience of the token", "settings", hint="Empty: the address of the API."), *_X3_MORE),
    ),
    ("sage_x3", "graphql_oauth"): (
        (
            Input(
                "url",
                "Region of the gateway",
                "url",
                "url",
                True,
                "Where Sage's gateway is.",
                "https://api.eu-prod-sagex3.com/v1",
            ),
            Input("customer_url", "Address of your X3", "settings", "url", hint="As your users open it."),
            Input("folder", "Folder", "settings", placeholder="PROD"),
            *_CLIENT,
        ),
        (_PAGE, _MANY, _LATE),
    ),
    ("sage_x3", "graphql_basic"): (
        (
            Input("url", "Address of the API", "url", "url", True, _URL_HINT, "https://x3.acme.test:8124/xtrem/api"),
            _ENDPOINT,
            _USER,
            _PASSWORD,
        ),
        _X3_MORE,
    ),
    ("sage_x3", "rest_basic"): (
        (
            Input("url", "Address of the server", "url", "url", True, _URL_HINT, "https://x3.acme.test:8124"),
            _ENDPOINT._replace(required=True),
            _USER,
            _PASSWORD,
        ),
        _X3_MORE,
    ),
    ("mailchimp", "api_key"): (
        (
            Input(
                "api_key",
                "API key",
                "credential",
                "password",
                True,
                "Ends with the data centre, such as -us6. Make one for this connector alone.",
            ),
        ),
        (_BASE,),
    ),
    ("mailchimp", "oauth"): (
        _CLIENT,
        (_BASE, Input("oauth_base_url", "Address of the sign-in", "settings", "url", hint="Empty: Mailchimp's own.")),
    ),
}
"""Of each system and kind: what is always asked, and what few need."""
NEEDS_SIGN_IN = ("graphql_oauth", "oauth")


def kinds(system: str) -> list[str]:
    return [kind for of, kind in FORMS if of == system]


def inputs(system: str, kind: str) -> Iterable[Input]:
    usual, rare = FORMS[system, kind]
    return (*usual, *rare)


def creation(system: str, kind: str, given: Given) -> dict[str, Any]:
    """The body of POST connections. Raises NotJson."""
    body: dict[str, Any] = {
        "name": given("name"), "system": system, "kind": kind, "settings": _others(given), "credential": {}
    }  # fmt: skip
    for each in inputs(system, kind):
        value = _converted(each, given(each.field))
        if value is None:
            continue
        if each.place == "url":
            body["url"] = value
        else:
            body[each.place][each.name] = value
    return body


def change(connection: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """The body of PATCH: settings that were emptied get their default back, a credential without a value is kept.

    Raises NotJson.
    """
    body: dict[str, Any] = {"name": given("name")}
    settings, credential = _others(given), {}
    for each in inputs(connection["system"], connection["kind"]):
        value = _converted(each, given(each.field))
        if each.place == "url" and value is not None:
            body["url"] = value
        elif each.place == "settings":
            settings[each.name] = value
        elif each.place == "credential" and value is not None:
            credential[each.name] = value
    gone = {name: None for name in connection["settings"] if name not in settings}
    body["settings"] = {**gone, **settings}
    return {**body, "credential": credential} if credential else body


def others(connection: Mapping[str, Any]) -> str:
    """Settings that have no field of their own, as JSON for people; empty when there are none."""
    named = {each.name for each in inputs(connection["system"], connection["kind"]) if each.place == "settings"}
    rest = {name: value for name, value in connection["settings"].items() if name not in named}
    return json.dumps(rest, indent=2, ensure_ascii=False) if rest else ""


def shown(connection: Mapping[str, Any] | None, each: Input) -> str:
    """What the field says of a connection; secrets are never known here."""
    if connection is None or each.place == "credential":
        return each.default
    value = connection["url"] if each.place == "url" else connection["settings"].get(each.name)
    return each.default if value is None else str(value)


def _others(given: Given) -> dict[str, Any]:
    text = given(OTHER)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        raise NotJson from None
    if not isinstance(found, dict):
        raise NotJson
    return found


def _converted(each: Input, text: str) -> Any:
    if not text:
        return None
    if each.type == "number":
        return int(text) if text.isdecimal() and len(text) < 10 else text  # the API says what is wrong with it
    return text
