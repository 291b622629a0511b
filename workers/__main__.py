"""`python -m workers`."""

import sys

# structlog takes rich along to colour tracebacks, when it is there: six megabytes no worker needs.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python is told that a module is not to be found

from workers.main import main  # noqa: E402  # after the line above

if __name__ == "__main__":
    main()
