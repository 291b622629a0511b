"""The API as the commands call it."""

from pathlib import Path
from typing import Annotated, Any, BinaryIO
from uuid import uuid4

import httpx
import typer

from app.cli.kept import OPERATOR_KEY_FILE
from app.cli.output import FAILED, fail

Url = Annotated[str, typer.Option("--url", envvar="MLC_URL", help="Where the API is.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="MLC_KEY",
        show_envvar=True,
        help="An operator or tenant key; without it, the operator key kept in ./.ml-connector.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The API's own answer, for programs.")]
Limit = Annotated[int, typer.Option(min=1, max=200)]
Cursor = Annotated[str | None, typer.Option(help="Where the last page ended.")]
DEFAULT_URL = "http://127.0.0.1:8080"
_opened: list[httpx.Client] = []


def close_clients() -> None:
    """At the end of a command, however it ends."""
    while _opened:
        _opened.pop().close()


class Client:
    """Calls the API; whatever it refuses ends the command with the problem's sentence."""

    def __init__(self, url: str, key: str | None, *, failure: int = FAILED) -> None:
        """`failure` is the exit code of a command that the API refuses."""
        self._failure = failure
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key or kept_key()}"}, timeout=60, trust_env=False
        )
        _opened.append(self._http)

    def get(self, path: str, **query: Any) -> Any:
        """The body of a GET; query values that are None are left out."""
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def get_tagged(self, path: str) -> tuple[Any, str]:
        """The body of a GET, and the ETag that says which version it is."""
        answer = self._answered("GET", path)
        return answer.json(), answer.headers.get("ETag", "")

    def all(self, path: str, *, most: int = 10_000, **query: Any) -> list[Any]:
        """The items of a whole list, `most` at most."""
        items: list[Any] = []
        cursor: str | None = None
        while len(items) < most:
            page = self.get(path, limit=min(200, most), cursor=cursor, **query)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return items[:most]

    def save(self, file: BinaryIO, path: str, **query: Any) -> None:
        """Write what a GET answers, as it comes. A stream that breaks off ends the command."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    fail(problem_sentence(answer), code=self._failure)
                for piece in answer.iter_bytes():
                    file.write(piece)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            fail(f"The answer of {self._http.base_url} broke off: {why}. What there is of it is not whole.")

    def post(self, path: str, body: Any = None) -> Any:
        """The body of a POST, safe to repeat."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())})

    def delete(self, path: str) -> None:
        """Delete what is there."""
        self._call("DELETE", path)

    def attempt(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Whatever the API answers; only no answer at all ends the command."""
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            sentence = f"No answer from {self._http.base_url}: {why}. Does `ml-connector up` run?"
            fail(sentence, code=self._failure)

    def _answered(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.attempt(method, path, **options)
        if not answer.is_success:
            fail(problem_sentence(answer), code=self._failure)
        return answer

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._answered(method, path, **options)
        return answer.json() if answer.content else None


def kept_key() -> str:
    """The operator key that `up` made below the current folder."""
    path = Path(".ml-connector") / OPERATOR_KEY_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        fail(f"No key: give --key or set MLC_KEY (there is no {path} here).", code=2)
    except PermissionError:
        fail(f"No key: give --key or set MLC_KEY ({path} is not yours to read).", code=2)


def problem_sentence(answer: httpx.Response) -> str:
    """Why the API refused, with every fault it found."""
    try:
        problem = answer.json()
    except ValueError:
        return f"{answer.request.url} answered {answer.status_code} without saying why. Is that the API?"
    lines = [f"{answer.status_code} {problem.get('title', '')}: {problem.get('detail') or ''}".rstrip(": ")]
    lines += [f"  {error.get('pointer')}: {error.get('detail')}" for error in problem.get("errors") or ()]
    return "\n".join(lines)
