"""What the baselines have in common: customers read from Sage X3 page by page, and mapped, as a short script would."""

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

PAGE = 500
COUNTRIES = {"FR": "France", "DE": "Germany", "ES": "Spain", "IT": "Italy", "BE": "Belgium"}
LANGUAGES = {"FRA": "fr", "GER": "de", "SPA": "es", "ITA": "it", "DUT": "nl"}

# The fields of the product's default mapping.
QUERY = """query Customers($first:Int!,$after:String,$filter:String,$orderBy:String){
x3MasterData{customer{query(first:$first,after:$after,filter:$filter,orderBy:$orderBy){
pageInfo{endCursor hasNextPage}
edges{node{_id code{code} companyName1 isActive
defaultAddress{city zipCode
 addressPhoneNumbers{query(first:10){edges{node{denormalizedIndex addressPhoneNumber}}}}
 addressEmails{query(first:10){edges{node{denormalizedIndex addressEmail}}}}}
defaultContact{email relationshipFirstName relationshipLastName relationshipIsMailingProhibited}
contacts{query(first:50){edges{node{code{code} email relationshipEmail relationshipIsMailingProhibited}}}}
country{code} language{code} customerCategory{code}}}}}}}"""

Ask = Callable[[dict[str, Any]], Any]
"""Posts a GraphQL request and gives the decoded answer."""


def pages(ask: Ask, records: int) -> Iterator[list[dict[str, Any]]]:
    """Members of each page of customers, until there are `records` of them."""
    after, seen = None, 0
    while seen < records:
        variables = {"first": min(PAGE, records - seen), "after": after, "orderBy": '{"_id":1}'}
        answer = ask({"query": QUERY, "variables": variables})
        page = answer["data"]["x3MasterData"]["customer"]["query"]
        rows = [edge["node"] for edge in page["edges"]]
        seen += len(rows)
        yield [member_of(row) for row in rows]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def member_of(row: dict[str, Any]) -> dict[str, Any]:
    """A customer as Mailchimp wants it."""
    address, contact = row["defaultAddress"], row["defaultContact"]
    emails = [edge["node"]["addressEmail"] for edge in address["addressEmails"]["query"]["edges"]]
    phones = [edge["node"]["addressPhoneNumber"] for edge in address["addressPhoneNumbers"]["query"]["edges"]]
    fields = {
        "FNAME": contact["relationshipFirstName"],
        "LNAME": contact["relationshipLastName"],
        "COMPANY": row["companyName1"],
        "PHONE": phones[0] if phones else "",
        "CITY": address["city"],
        "POSTCODE": address["zipCode"],
        "COUNTRY": COUNTRIES.get(row["country"]["code"], ""),
        "LANGUAGE": row["language"]["code"],
        "CATEGORY": row["customerCategory"]["code"],
        "X3CODE": row["code"]["code"],
    }
    return {
        "email_address": (emails[0] if emails else contact["email"]).strip(),
        "status": "transactional",
        "merge_fields": {tag: (value or "").strip() for tag, value in fields.items()},
        "tags": ["x3-customer"],
        "language": LANGUAGES.get(row["language"]["code"], "en"),
    }


def arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--x3", required=True)
    parser.add_argument("--mailchimp", required=True)
    parser.add_argument("--records", type=int, required=True)
    return parser.parse_args()


def cpu_seconds() -> float:
    """User and system time of this process, start-up included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(name: str, records: int, work: Callable[[], float]) -> None:
    """Do the work and print what it cost. Imports and start-up are not counted, as for the product.

    `work` answers the CPU seconds spent inside calls of Mailchimp alone.
    """
    began, before = time.monotonic(), cpu_seconds()
    calls = work()
    result = {
        "name": name,
        "records": records,
        "wall_seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(cpu_seconds() - before, 3),
        "call_cpu_seconds": round(calls, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(json.dumps(result), flush=True)


def official(base_url: str) -> Any:
    """Mailchimp's own client, pointed at the stand-in."""
    import mailchimp_marketing  # type: ignore[import-untyped]

    from bench.mailchimp import API_KEY

    client = mailchimp_marketing.Client()
    client.set_config({"api_key": API_KEY, "server": "us6"})
    client.api_client.host = f"{base_url}/3.0"
    return client


def asking(x3_url: str) -> Ask:
    """A session of `requests` that asks the stand-in X3."""
    import requests

    session = requests.Session()
    session.trust_env = False

    def ask(body: dict[str, Any]) -> Any:
        return session.post(f"{x3_url}/xtrem/api", json=body, timeout=60).json()

    return ask
