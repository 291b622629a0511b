"""What is measured in each mode, and with which latencies."""

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Of the two vendors, in milliseconds: a page of X3; a batch and each member in it; any other Mailchimp call."""

    page: float = 0.0
    batch: float = 0.0
    member: float = 0.0
    call: float = 0.0

    def batch_of(self, members: int) -> float:
        return self.batch + self.member * members


NONE = Latency()
REALISTIC = Latency(page=300, batch=200, member=2.6, call=200)  # a batch of 500: 1.5 s
FLAT = Latency(page=300, batch=1500, call=200)  # 1.5 s whatever its size: the hardest way to begin
BRISK = Latency(page=200, batch=100, member=1.8, call=100)  # a batch of 500: 1 s


class Contest(msgspec.Struct, frozen=True):
    """One contender at one size; `part` of the report it belongs to. `steps` are the product's runs.

    `records` are customers, in the part `orders` invoices of a fifth as many customers.
    """

    part: str  # cpu | limit | flat | memory | orders
    contender: str
    records: int
    latency: Latency = NONE
    steps: tuple[str, ...] = ("first",)
    rounds: int = 1

    @property
    def is_ours(self) -> bool:
        """Whether the contender is the product."""
        return self.contender in ("ours", "orders")

    @property
    def customers(self) -> int:
        return max(self.records // 5, 1) if self.contender == "orders" else self.records


class Mode(msgspec.Struct, frozen=True):
    """A list of contests, and the share of the limit that must be reached (the ramp weighs more in short runs)."""

    name: str
    contests: tuple[Contest, ...]
    share_wanted: float
    transform_seconds: float = 1.0
    orders_share_wanted: float = 0.93
    webhook_seconds: float = 30.0  # 0: none


AGAIN = ("first", "delta", "full", "changed")


def _cpu(records: int, puts: int, rounds: int) -> tuple[Contest, ...]:
    """Zero latency, interleaved round by round."""
    return (
        Contest("cpu", "ours", records, steps=AGAIN, rounds=rounds),
        Contest("cpu", "official_batch", records, rounds=rounds),
        Contest("cpu", "httpx_loop", records, rounds=rounds),
        Contest("cpu", "official_put", puts, rounds=rounds),
    )


def quick() -> Mode:
    """About 90 seconds, for CI."""
    return Mode(
        "quick",
        (
            *_cpu(20_000, 300, 1),
            Contest("limit", "ours", 50_000, BRISK),
            Contest("memory", "ours", 100_000),
            Contest("orders", "orders", 3_000, steps=("first", "full")),
            Contest("orders", "orders", 2_000, BRISK),
        ),
        share_wanted=0.88,
        transform_seconds=0.3,
        orders_share_wanted=0.88,
        webhook_seconds=0.0,
    )


def default() -> Mode:
    """About half an hour, twenty minutes of it for orders."""
    return Mode(
        "default",
        (
            *_cpu(100_000, 500, 3),
            Contest("cpu", "official_batch_threads", 100_000, rounds=3),
            Contest("memory", "ours", 20_000),
            Contest("limit", "ours", 100_000, REALISTIC),
            Contest("flat", "ours", 100_000, FLAT),
            Contest("limit", "official_batch", 5_000, REALISTIC),
            Contest("limit", "official_batch_threads", 50_000, REALISTIC),
            Contest("limit", "httpx_loop", 5_000, REALISTIC),
            Contest("limit", "official_put", 100, REALISTIC),
            Contest("orders", "orders", 10_000, steps=("first", "full")),
            Contest("orders", "orders", 100_000),
            Contest("orders", "orders", 5_000, REALISTIC),
        ),
        share_wanted=0.93,
    )


def full() -> Mode:
    """The default with five rounds, and a million records."""
    longer = [msgspec.structs.replace(c, rounds=5) if c.rounds > 1 else c for c in default().contests]
    return Mode("full", (*longer, Contest("memory", "ours", 1_000_000)), share_wanted=0.93)
