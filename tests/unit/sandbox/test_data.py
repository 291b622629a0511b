"""The example folder."""

from sandbox.data import CLEAN, Shares, generate


def test_the_same_seed_makes_the_same_rows() -> None:
    first, again = (generate(customers=50, suppliers=5, invoices=5, seed=7) for _ in range(2))

    assert first == again
    assert first != generate(customers=50, suppliers=5, invoices=5, seed=8)


def test_a_clean_folder_has_one_valid_address_per_customer() -> None:
    folder = generate(customers=500, shares=CLEAN)
    emails = [row.emails[0] for row in folder.customer_addresses]

    assert len(set(emails)) == len(emails) == 500
    assert all(customer.active for customer in folder.customers)
    assert not any(partner.prohibited for partner in folder.partners)


def test_a_usual_folder_has_every_peculiarity() -> None:
    folder = generate(customers=3000, suppliers=300, invoices=300, seed=2, shares=Shares(odd_code=0.05))
    emails = [row.emails[0] for row in folder.customer_addresses]

    assert any(not email.strip() for email in emails)
    assert any(";" in email for email in emails)
    assert len({email.lower() for email in emails if "@" in email}) < sum("@" in email for email in emails)
    assert any(not customer.active for customer in folder.customers)
    assert any("'" in customer.id for customer in folder.customers)
    assert any("\\" in customer.id for customer in folder.customers)
    assert any(partner.is_customer and partner.is_supplier for partner in folder.partners)
    assert {"invoice", "creditMemo", "proforma"} <= {invoice.category for invoice in folder.invoices}
    assert len({invoice.currency for invoice in folder.invoices}) > 2
