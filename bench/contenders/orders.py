"""The product with a sync of invoices into a store; everything else as in `bench.contenders.ours`.

python -m bench.contenders.orders --x3 URL --mailchimp URL --records 10000 --steps first full
"""

from typing import Any, ClassVar

from bench.contenders.ours import Driver, main
from bench.mailchimp import LIST_ID
from bench.mailchimp_store import STORE_ID
from bench.x3_invoices import COMPANY


class OrdersDriver(Driver):
    """Invoices of one company as orders of one store."""

    terms: ClassVar[dict[str, Any]] = {
        "stream": "invoices",
        "target": {"audience_id": LIST_ID, "store_id": STORE_ID},
        "filter": {"field": "company", "in": [COMPANY]},
    }
    carried = "order"


if __name__ == "__main__":
    main(OrdersDriver)
