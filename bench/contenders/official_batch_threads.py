"""Baseline: Mailchimp's own client, its batch call from ten threads; X3 is read by one."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from bench.contenders.reading import arguments, asking, official, pages, report
from bench.mailchimp import LIST_ID

THREADS = 10  # Mailchimp's limit


def main() -> None:
    given = arguments(__doc__)
    client, ask = official(given.mailchimp), asking(given.x3)

    def send(members: list[dict[str, Any]]) -> None:
        client.lists.batch_list_members(LIST_ID, {"members": members, "update_existing": True})

    def work() -> float:
        with ThreadPoolExecutor(THREADS) as pool:
            sent: set[Future[None]] = set()
            for members in pages(ask, given.records):
                sent.add(pool.submit(send, members))
                for future in [future for future in sent if future.done()]:
                    future.result()
                    sent.remove(future)
            for future in wait(sent).done:
                future.result()
        return 0.0

    report("official-batch-threads", given.records, work)


if __name__ == "__main__":
    main()
