"""What can go wrong with a vendor, named by who can put it right."""


class ConnectorError(Exception):
    """A vendor call did not do what was asked.

    `code` is stable and machine-readable, `message` is a sentence a tenant can act on,
    `detail` is for us and holds no personal data, token or raw vendor body.
    """

    def __init__(self, code: str, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


class NeedsTenant(ConnectorError):
    """The tenant must act: revoked key, wrong folder, audience gone. Never retried.

    `authorization` is true when only a new sign-in at the vendor helps (OAuth tokens revoked or expired).
    """

    def __init__(self, code: str, message: str, detail: str | None = None, *, authorization: bool = False) -> None:
        super().__init__(code, message, detail)
        self.authorization = authorization


class Transient(ConnectorError):
    """Time may cure it: time-out, 429, 5xx, a bare 403. `retry_after` in seconds when the vendor said how long.

    `outcome_unknown` is true when the request may have been carried out although no answer arrived.
    """

    def __init__(
        self,
        code: str,
        message: str,
        detail: str | None = None,
        *,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(code, message, detail)
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown


class RecordRejected(ConnectorError):
    """One record cannot be carried as it is; its neighbours can.

    `field` names the merge field or X3 property at fault, when known.
    """

    def __init__(self, code: str, message: str, detail: str | None = None, *, field: str | None = None) -> None:
        super().__init__(code, message, detail)
        self.field = field


class ProtocolMismatch(ConnectorError):
    """The vendor answered in a shape we do not know; we must act. `detail` keeps the shape, never the data."""


class InvalidDefinition(ValueError):
    """A mapping, filter or schedule that cannot mean anything; `pointer` is the JSON pointer of the fault."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message
