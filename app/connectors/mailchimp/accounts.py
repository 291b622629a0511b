"""What belongs to an account as a whole: who it is, its audiences, its stores."""

from app.connectors.mailchimp.client import Answer, MailchimpClient, Params
from app.connectors.mailchimp.shapes import Account, AudiencesPage, Health, Store, StoresPage
from app.connectors.mailchimp.shapes import Audience as Audience

_PAGE_ROWS = 1000

_account = Answer(Account)
_health = Answer(Health)
_lists = Answer(AudiencesPage)
_stores = Answer(StoresPage)


class MailchimpAccount:
    """Reads that need no audience."""

    def __init__(self, client: MailchimpClient) -> None:
        self._client = client

    async def ping(self) -> None:
        """Raises what keeps us from Mailchimp, if anything does."""
        await self._client.ask("/ping", _health)

    async def account(self) -> Account:
        """Whose key this is and what it may do."""
        fields = "account_id,account_name,login_id,role,pricing_plan_type,total_subscribers"
        return await self._client.ask("/", _account, {"fields": fields})

    async def lists(self) -> list[Audience]:
        """Every audience of the account."""
        fields = "lists.id,lists.name,lists.double_optin,lists.stats.member_count,lists.stats.unsubscribe_count"
        params: Params = {"count": _PAGE_ROWS, "fields": f"{fields},lists.stats.cleaned_count,total_items"}
        return (await self._client.ask("/lists", _lists, params)).lists

    async def stores(self, list_id: str | None = None) -> list[Store]:
        """Every store of the account, or those that feed one audience."""
        fields = ",".join(f"stores.{name}" for name in ("id", "list_id", "name", "currency_code", "is_syncing"))
        params: Params = {"count": _PAGE_ROWS, "fields": f"{fields},total_items"}
        stores = (await self._client.ask("/ecommerce/stores", _stores, params)).stores
        return [store for store in stores if list_id is None or store.list_id == list_id]
