"""Baseline: Mailchimp's own client, one PUT per member, one after the other."""

from hashlib import md5

from bench.contenders.reading import arguments, asking, cpu_seconds, official, pages, report
from bench.mailchimp import LIST_ID


def main() -> None:
    given = arguments(__doc__)
    client, ask = official(given.mailchimp), asking(given.x3)

    def work() -> float:
        calls = 0.0
        for members in pages(ask, given.records):
            before = cpu_seconds()
            for member in members:
                hash_ = md5(member["email_address"].lower().encode()).hexdigest()
                body = {**member, "status_if_new": member.pop("status")}
                client.lists.set_list_member(LIST_ID, hash_, body)
            calls += cpu_seconds() - before
        return calls

    report("official-put", given.records, work)


if __name__ == "__main__":
    main()
