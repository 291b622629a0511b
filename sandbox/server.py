"""Serves both vendors over real HTTP from one process, and gives their applications to in-process clients."""

from sandbox.x3.app import x3_app

__all__ = ["x3_app"]
