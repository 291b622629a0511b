"""Connections in a file: all but their secrets, which it may only name."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, ValidationError

from app.api.schemas.base import Name, Request
from app.api.schemas.connections import KINDS, Url
from app.cli.config.checking import model_faults, validated
from app.cli.config.faults import Document, Fault, Faulty, child
from app.cli.config.present import Thing

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESSES = ("base_url", "oauth_base_url", "customer_url")


class ConnectionFile(Request):
    """A connection as it is written down."""

    name: Name
    system: str
    kind: str
    url: Url | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    credential: dict[str, Any] | None = None


class Connection(msgspec.Struct, frozen=True):
    """`shape` is what is compared: settings with their defaults. `given` are the settings as the file has them."""

    name: str
    pointer: str
    shape: dict[str, Any]
    given: dict[str, Any]
    credential: dict[str, Any] | None

    @property
    def fixed(self) -> dict[str, Any]:
        """What a connection keeps for good."""
        return {name: self.shape[name] for name in ("system", "kind")}

    def created(self, document: Document, environment: Mapping[str, str]) -> dict[str, Any]:
        """The body that makes it. Raises Faulty without a credential."""
        body = {**self.fixed, "name": self.name, "settings": self.given}
        if self.shape["url"] is not None:
            body["url"] = self.shape["url"]
        return {**body, "credential": self._secrets(document, environment, "A new connection needs its credential")}

    def changed(self, document: Document, environment: Mapping[str, str], now: Thing) -> dict[str, Any]:
        """The body that makes it of what is there. Raises Faulty when it goes elsewhere without a credential."""
        was = now.body["settings"]
        news = {name: value for name, value in self.given.items() if name not in was or was[name] != value}
        self._check_nulls(document, news)
        body: dict[str, Any] = {"settings": {**dict.fromkeys(was.keys() - self.given.keys()), **news}}
        if self.shape["url"] is not None:
            body["url"] = self.shape["url"]
        if _origins(self.shape["url"], self.given) != _origins(now.body["url"], was):
            why = "At a new address a connection needs its credential again"
            body["credential"] = self._secrets(document, environment, why)
        return body

    def _check_nulls(self, document: Document, news: Mapping[str, Any]) -> None:
        """To the API, null gives the default back. Raises Faulty where the default is something else."""
        why = "Null can be given to a new connection only; to one that exists it means the default."
        settings = child(self.pointer, "settings")
        fields = KINDS[self.shape["system"], self.shape["kind"]][1].model_fields
        empty = [name for name, value in news.items() if value is None and fields[name].default is not None]
        if empty:
            raise Faulty([document.fault(child(settings, name), why) for name in empty])

    def _secrets(self, document: Document, environment: Mapping[str, str], why: str) -> dict[str, Any]:
        pointer = child(self.pointer, "credential")
        if self.credential is None:
            example = f"credential: {{from_env: {{{self._secret_name()}: VARIABLE}}}}"
            raise Faulty([document.fault(pointer, f"{why}: {example}.")])
        values = {name: value for name, value in self.credential.items() if name != "from_env"}
        for name, variable in self.credential.get("from_env", {}).items():
            if not environment.get(variable):
                where = child(child(pointer, "from_env"), name)
                raise Faulty([document.fault(where, f"The environment variable {variable} is not set.")])
            values[name] = environment[variable]
        try:
            KINDS[self.shape["system"], self.shape["kind"]][2].model_validate(values)
        except ValidationError as error:
            raise Faulty(model_faults(document, error, pointer)) from None
        return values

    def _secret_name(self) -> str:
        names = KINDS[self.shape["system"], self.shape["kind"]][2].model_fields
        return next(name for name in names if name in _secret_names(self.shape["system"], self.shape["kind"]))


def read_connection(document: Document, pointer: str, name: str, raw: object) -> Connection:
    """One entry of `connections`. Raises Faulty."""
    given = validated(document, ConnectionFile, pointer, name, raw)
    if (given.system, given.kind) not in KINDS:
        known = ", ".join(" ".join(pair) for pair in KINDS)
        raise Faulty([document.fault(child(pointer, "kind"), f"system and kind must be one of {known}.")])
    faults = [*_url_faults(document, pointer, given), *_credential_faults(document, pointer, given)]
    try:
        shape = connection_shape(given.model_dump())
    except ValidationError as error:
        faults += model_faults(document, error, child(pointer, "settings"))
    if faults:
        raise Faulty(faults)
    return Connection(given.name, pointer, shape, given.settings, given.credential)


def _url_faults(document: Document, pointer: str, given: ConnectionFile) -> list[Fault]:
    where = child(pointer, "url")
    if given.system == "mailchimp" and given.url is not None:
        return [document.fault(where, "A Mailchimp connection has no url; settings.base_url overrides its address.")]
    if given.system != "mailchimp" and given.url is None:
        return [document.fault(where, "Is missing.")]
    return []


def _credential_faults(document: Document, pointer: str, given: ConnectionFile) -> list[Fault]:
    at, credential = child(pointer, "credential"), given.credential or {}
    variables = credential.get("from_env", {})
    if not isinstance(variables, dict):
        return [document.fault(child(at, "from_env"), "Must name an environment variable for each part.")]
    known, secret = KINDS[given.system, given.kind][2].model_fields, _secret_names(given.system, given.kind)
    faults = []
    for name in (*(credential.keys() - {"from_env"}), *variables):
        where = child(at, name) if name in credential else child(child(at, "from_env"), name)
        if name not in known:
            faults.append(document.fault(where, f"Unknown; known are {', '.join(known)}."))
        elif name in credential and name in secret:
            faults.append(document.fault(where, "A secret does not belong in this file: name a variable in from_env."))
        elif name in credential and not isinstance(credential[name], str):
            faults.append(document.fault(where, "Must be a text."))
        elif name in variables and not _VARIABLE.fullmatch(str(variables[name])):
            faults.append(document.fault(where, "Must be the name of an environment variable."))
    return faults


def _secret_names(system: str, kind: str) -> set[str]:
    fields = KINDS[system, kind][2].model_fields
    return {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}


def connection_shape(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of a connection, be it the file's or the API's. Raises ValidationError."""
    settings = KINDS[body["system"], body["kind"]][1].model_validate(body["settings"])
    return {
        "system": body["system"],
        "kind": body["kind"],
        "url": body["url"],
        "settings": settings.model_dump(mode="json", by_alias=True),
    }


def exported_connection(body: Mapping[str, Any]) -> dict[str, Any]:
    """As it is written down."""
    names = ("system", "kind", "url", "settings")
    return {name: body[name] for name in names if body[name] not in (None, {})}


def _origins(url: str | None, settings: Mapping[str, Any]) -> list[str | None]:
    """Every scheme, host and port that is shown the credential; the API compares the same."""
    addresses = [url, *(settings.get(name) for name in _ADDRESSES)]
    return [None if address is None else "://".join(urlsplit(address)[:2]) for address in addresses]
