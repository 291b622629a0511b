"""Webhooks of audiences and batches: checked when made, delivered for real, signed, tried again when refused."""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from sandbox.http import Answer
from sandbox.mailchimp.batches import Batch
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.consent import Cause
from sandbox.mailchimp.problems import Problem, invalid, not_found
from sandbox.mailchimp.state import Account, Audience, MailchimpState, Member, iso

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
MAX_BATCH_WEBHOOKS = 20
ANSWER_WITHIN_SECONDS = 10.0
Fields = list[tuple[str, str]]


class WebhookDesk:
    """Registers hooks and delivers to them; `deliveries` is the log of every attempt."""

    def __init__(self, state: MailchimpState, http: httpx.AsyncClient | None) -> None:
        self.state = state
        self._http = http
        self.deliveries: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        state.emit = self.emit
        self.handlers: Handlers = {
            "getListsIdWebhooks": self.get_all, "postListsIdWebhooks": self.post, "getListsIdWebhooksId": self.get,
            "patchListsIdWebhooksId": self.patch, "deleteListsIdWebhooksId": self.delete,
            "getBatchWebhooks": self.get_batch_hooks, "postBatchWebhooks": self.post_batch_hook,
            "getBatchWebhook": self.get_batch_hook, "patchBatchWebhooks": self.patch_batch_hook,
            "deleteBatchWebhookId": self.delete_batch_hook,
        }  # fmt: skip

    def http(self) -> httpx.AsyncClient:
        if self._http is None:
            # Webhooks go to receivers on this machine, whose certificates are often their own.
            self._http = httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, verify=False, trust_env=False)  # noqa: S501 - loopback receivers with test certificates
        return self._http

    # audience webhooks

    def get_all(self, call: Call) -> Answer:
        audience = call.audience()
        shown = [_public(hook) for hook in audience.webhooks.values()]
        return call.answer({"webhooks": shown, "list_id": audience.id, "total_items": len(shown)})

    async def post(self, call: Call) -> Answer:
        audience, body = call.audience(), call.body
        url = str(body.get("url", ""))
        if not urlsplit(url).scheme.startswith("http") or not urlsplit(url).hostname:
            raise invalid("The resource submitted could not be validated.", [("url", "Invalid URL")])
        plain = url.partition("?")[0]
        if any(hook["url"].partition("?")[0] == plain for hook in audience.webhooks.values()):
            raise Problem(400, "Bad Request", "Sorry, you can't set up multiple WebHooks for one URL.")
        await self.verify(url)
        id_ = secrets.token_hex(5)
        hook: dict[str, Any] = {
            "id": id_, "url": url, "list_id": audience.id, "secret": secrets.token_urlsafe(32), "disabled": False,
            "events": dict.fromkeys(EVENTS, False) | body.get("events", {}),
            "sources": {"user": True, "admin": True, "api": True} | body.get("sources", {}),
        }  # fmt: skip
        audience.webhooks[id_] = hook
        return call.answer(_public(hook) | self.signing(hook))

    def signing(self, hook: dict[str, Any]) -> dict[str, Any]:
        """The part of a creation's answer that is never given again."""
        if not self.state.settings.sign_webhooks:
            return {}
        return {"signing_enabled": True, "signing_secret": hook["secret"]}

    async def verify(self, url: str) -> None:
        """Mailchimp asks the URL with a GET and wants 200. Raises Problem."""
        if not self.state.settings.validate_webhooks:
            return
        try:
            status = (await self.http().get(url)).status_code
        except httpx.HTTPError:
            status = 0
        if status != 200:
            text = f"We couldn't verify the URL is working. Please double check and try again. HTTP Code: {status}"
            raise Problem(400, "Invalid Resource", text, [("url", text)])

    def find(self, call: Call) -> dict[str, Any]:
        found: dict[str, Any] | None = call.audience().webhooks.get(call.arguments[1])
        if found is None:
            raise not_found()
        return found

    def get(self, call: Call) -> Answer:
        return call.answer(_public(self.find(call)))

    async def patch(self, call: Call) -> Answer:
        hook, body = self.find(call), call.body
        if "url" in body and body["url"] != hook["url"]:
            await self.verify(body["url"])
            hook["url"] = body["url"]
        hook["events"] |= body.get("events", {})
        hook["sources"] |= body.get("sources", {})
        return call.answer(_public(hook))

    def delete(self, call: Call) -> Answer:
        del call.audience().webhooks[self.find(call)["id"]]
        return NO_CONTENT

    # batch webhooks

    def get_batch_hooks(self, call: Call) -> Answer:
        shown = [_public(hook) for hook in call.account.batch_webhooks.values()]
        return call.answer({"webhooks": call.page(shown), "total_items": len(shown)})

    async def post_batch_hook(self, call: Call) -> Answer:
        if len(call.account.batch_webhooks) >= MAX_BATCH_WEBHOOKS:
            raise Problem(400, "Bad Request", f"There may be at most {MAX_BATCH_WEBHOOKS} batch webhooks.")
        await self.verify(call.body["url"])
        id_ = secrets.token_hex(5)
        hook = {"id": id_, "enabled": True, "secret": secrets.token_urlsafe(32), "disabled": False} | call.body
        call.account.batch_webhooks[id_] = hook
        return call.answer(_public(hook) | self.signing(hook))

    def find_batch_hook(self, call: Call) -> dict[str, Any]:
        found: dict[str, Any] | None = call.account.batch_webhooks.get(call.arguments[0])
        if found is None:
            raise not_found()
        return found

    def get_batch_hook(self, call: Call) -> Answer:
        return call.answer(_public(self.find_batch_hook(call)))

    async def patch_batch_hook(self, call: Call) -> Answer:
        hook = self.find_batch_hook(call)
        if "url" in call.body:
            await self.verify(call.body["url"])
        hook.update(call.body)
        return call.answer(_public(hook))

    def delete_batch_hook(self, call: Call) -> Answer:
        del call.account.batch_webhooks[self.find_batch_hook(call)["id"]]
        return NO_CONTENT

    def batch_finished(self, account: Account, batch: Batch, view: dict[str, Any]) -> None:
        """Tell every batch webhook of the account."""
        fields = [(f"data[{name}]", str(value)) for name, value in view.items() if name != "_links"]
        for hook in account.batch_webhooks.values():
            if hook["enabled"]:
                self.send(hook, [("type", "batch_operation_completed"), ("fired_at", self.fired_at()), *fields])

    # deliveries

    def fired_at(self) -> str:
        return datetime.fromtimestamp(self.state.clock(), tz=UTC).strftime("%Y-%m-%d %H:%M:%S")

    def emit(self, audience: Audience, type_: str, member: Member | None, cause: Cause, extra: dict[str, str]) -> None:
        """Tell the audience's hooks that want this event from this source; campaigns ignore the source."""
        for hook in audience.webhooks.values():
            if hook["disabled"] or not hook["events"].get(type_):
                continue
            if type_ != "campaign" and not hook["sources"].get(cause):
                continue
            data = self.data(audience, type_, member, extra)
            self.send(hook, [("type", type_), ("fired_at", self.fired_at()), *data])

    @staticmethod
    def data(audience: Audience, type_: str, member: Member | None, extra: dict[str, str]) -> Fields:
        fields: dict[str, str] = {"list_id": audience.id} | extra
        if member is None or type_ == "upemail":
            return [(f"data[{name}]", value) for name, value in fields.items()]
        fields["email"] = member.email
        pairs: Fields = []
        if type_ != "cleaned":
            fields |= {"id": f"{member.person:010x}", "email_type": member.email_type, "ip_opt": ""}
            pairs.append(("data[merges][EMAIL]", member.email))
            for tag, value in member.merge_fields.items():
                if isinstance(value, dict):
                    pairs += [(f"data[merges][{tag}][{part}]", str(text)) for part, text in value.items()]
                else:
                    pairs.append((f"data[merges][{tag}]", str(value)))
        return [(f"data[{name}]", value) for name, value in fields.items()] + pairs

    def send(self, hook: dict[str, Any], fields: Fields) -> None:
        with contextlib.suppress(RuntimeError):  # without a running loop there is nobody to deliver to
            task = asyncio.get_running_loop().create_task(self.deliver(hook, urlencode(fields).encode()))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def deliver(self, hook: dict[str, Any], body: bytes) -> None:
        """Try until 2xx, at growing intervals; 410 switches the hook off at once."""
        for wait in (*self.state.settings.webhook_retry_seconds, None):
            status = await self.attempt(hook, body)
            if status == 410:
                hook["disabled"] = True
            if 200 <= status < 300 or hook["disabled"] or wait is None:
                return
            await asyncio.sleep(wait)

    async def attempt(self, hook: dict[str, Any], body: bytes) -> int:
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": "MailChimp"}
        if self.state.settings.sign_webhooks:
            headers["x-mailchimp-signature"] = signature(hook["secret"], int(time.time()), body)
        try:
            answer = await self.http().post(hook["url"], content=body, headers=headers)
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        self.deliveries.append(
            {"hook": hook["id"], "at": iso(self.state.now()), "status": status, "body": body.decode()}
        )
        return status

    async def close(self) -> None:
        """Give up what is not delivered yet."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()


def signature(secret: str, at: int, body: bytes) -> str:
    """`X-Mailchimp-Signature` (reference, 5.3)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _public(hook: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in hook.items() if name not in ("secret", "disabled")} | {"_links": []}
