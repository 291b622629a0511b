"""Both sandboxes in this process, small, with clients that are logged in."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox.data import generate
from sandbox.mailchimp.app import mailchimp_app
from sandbox.mailchimp.state import MailchimpState
from sandbox.x3.app import x3_app
from sandbox.x3.state import X3State


@pytest.fixture
def x3_state() -> X3State:
    return X3State(generate(customers=60, suppliers=10, invoices=40, seed=3))


@pytest.fixture
async def x3(x3_state: X3State) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(x3_app(x3_state))
    async with httpx.AsyncClient(transport=transport, base_url="http://x3.test", auth=("MLC", "sandbox")) as client:
        yield client


@pytest.fixture
def mailchimp_state() -> MailchimpState:
    return MailchimpState()


@pytest.fixture
async def mailchimp(mailchimp_state: MailchimpState) -> AsyncIterator[httpx.AsyncClient]:
    key = min(mailchimp_state.accounts[0].users[0].credentials)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(mailchimp_app(mailchimp_state)),
        base_url="http://mailchimp.test/3.0",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        yield client
