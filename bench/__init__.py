"""The project's own benchmark: `python3 dev.py bench`, described in docs/benchmark.md."""
