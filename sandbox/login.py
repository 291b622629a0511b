"""What a person sees of a sign-in: a page that asks, and the way back to whoever sent them."""

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from sandbox.http import Answer

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body><main>
<h1>{title}</h1><p>{sentence}</p><form method="post">{inputs}
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></form></main>
"""


def asking(title: str, sentence: str, hidden: Mapping[str, str]) -> Answer:
    """A page with two buttons, which come back to its own address by POST as `answer`: allow or deny."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    page = _PAGE.format(title=escape(f"Sign in at {title}"), sentence=escape(sentence), inputs=inputs)
    return Answer(200, page.encode(), "text/html; charset=utf-8")


def redirect(address: str, fields: Mapping[str, str]) -> Answer:
    """Back, with what there is to say."""
    mark = "&" if "?" in address else "?"
    return Answer(302, b"", "text/html", ((b"location", f"{address}{mark}{urlencode(fields)}".encode()),))
