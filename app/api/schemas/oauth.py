"""Signing in at a vendor: where to send a browser, and what its return came to."""

from datetime import datetime
from typing import Literal

from app.api.schemas.base import Answer


class AuthorizationPublic(Answer):
    """`authorize_url` holds a secret that works once: send the approving person's browser there before `expires_at`.

    Sage may approve later than that, as long as the connection still waits for it.
    """

    authorize_url: str
    expires_at: datetime


class SignInPublic(Answer):
    """How a callback ended. `attention`: signed in, but the connection does not work yet; `waiting`: the vendor is not
    ready, the sign-in is completed by itself."""

    status: Literal["connected", "attention", "waiting"]
    detail: str
