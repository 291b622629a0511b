"""Baseline: a plain loop over httpx, page in, batch of 500 out; no books kept."""

from typing import Any

import httpx

from bench.contenders.reading import arguments, cpu_seconds, pages, report
from bench.mailchimp import API_KEY, LIST_ID


def main() -> None:
    given = arguments(__doc__)
    client = httpx.Client(timeout=130, trust_env=False)

    def ask(body: dict[str, Any]) -> Any:
        return client.post(f"{given.x3}/xtrem/api", json=body).json()

    def work() -> float:
        calls = 0.0
        for members in pages(ask, given.records):
            before = cpu_seconds()
            body = {"members": members, "update_existing": True}
            url = f"{given.mailchimp}/3.0/lists/{LIST_ID}"
            client.post(url, json=body, auth=("any", API_KEY)).raise_for_status().json()
            calls += cpu_seconds() - before
        return calls

    report("httpx-loop", given.records, work)


if __name__ == "__main__":
    main()
