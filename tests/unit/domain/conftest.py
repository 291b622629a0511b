"""Generated examples are the same on every machine and are given all the time they need."""

from hypothesis import settings

settings.register_profile("domain", deadline=None, derandomize=True)
settings.load_profile("domain")
