"""Baseline: Mailchimp's own client, its batch call with 500 members, one after the other."""

from bench.contenders.reading import arguments, asking, cpu_seconds, official, pages, report
from bench.mailchimp import LIST_ID


def main() -> None:
    given = arguments(__doc__)
    client, ask = official(given.mailchimp), asking(given.x3)

    def work() -> float:
        calls = 0.0
        for members in pages(ask, given.records):
            before = cpu_seconds()
            client.lists.batch_list_members(LIST_ID, {"members": members, "update_existing": True})
            calls += cpu_seconds() - before
        return calls

    report("official-batch", given.records, work)


if __name__ == "__main__":
    main()
