"""Where an OAuth token's account lives: the token itself does not tell.

Source: Marketing API, "Access user data with OAuth 2".
"""

import httpx

from app.connectors.mailchimp.client import Answer, user_agent
from app.connectors.mailchimp.failures import failure_of_answer, failure_of_transport
from app.connectors.mailchimp.routes import call
from app.connectors.mailchimp.shapes import Metadata

_metadata = Answer(Metadata)
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


async def read_metadata(outbound_client: httpx.AsyncClient, oauth_base_url: str, access_token: str) -> Metadata:
    """Data centre and account of a token. The header says `OAuth` here, not `Bearer`.

    Raises:
        NeedsTenant: the token was revoked.
        Transient: no answer; nothing was changed by asking.
    """
    headers = {"Authorization": f"OAuth {access_token}", "User-Agent": user_agent(), "Accept": "application/json"}
    try:
        response = await outbound_client.get(
            f"{oauth_base_url}/oauth2/metadata",
            headers=headers,
            timeout=_TIMEOUT,
            follow_redirects=False,
            extensions=call("/oauth2/metadata"),
        )
    except httpx.HTTPError as error:
        raise failure_of_transport(error) from None
    if not response.is_success:
        raise failure_of_answer("/oauth2/metadata", response, oauth=True)
    return _metadata.read(response.content)
