"""Outbound HTTP to vendors: the only way out of the product, guarded."""

from app.http.egress import EgressPolicy
from app.http.outbound import Outbound, open_outbound

__all__ = ["EgressPolicy", "Outbound", "open_outbound"]
