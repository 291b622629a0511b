"""One attempt to hand a message to a mail server.

smtplib speaks the protocol in threads of its own, so that a server which never ends a sentence holds up nothing but
other mail, and that not for long.
"""

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any, BinaryIO

from app.alerts.ports import MailWays, Outcome
from app.alerts.relays import Relay
from app.domain.errors import ConnectorError

PATIENCE_SECONDS = 45.0
_STEP_SECONDS = 15.0
_MOST_ANSWERED = 64 * 1024
_MOST_ADDRESSES = 3
_THREADS = 4
_GO_ON, _WELCOME = 334, 235


class Mailer:
    """Sends mail, four at a time."""

    def __init__(self, ways: MailWays, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._ways = ways
        self._patience = patience_seconds
        self._threads = ThreadPoolExecutor(_THREADS, "mail")

    async def send(self, relay: Relay, recipients: Sequence[str], message: EmailMessage) -> Outcome:
        """Nothing is raised for what the server or the network does, and no address is in the sentence."""
        wire = _Wire()
        try:
            async with asyncio.timeout(self._patience):
                addresses = await self._ways.addresses(relay.host, relay.port, guarded=relay.guarded)
                tls = self._ways.tls(relay.tls_ca_pem)
                talk = _Talk(relay, addresses[:_MOST_ADDRESSES], tls, wire)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, talk.hand_over, recipients, message)
        except ConnectorError as error:
            return Outcome(False, error.message)
        except TimeoutError:
            return Outcome(False, f"The mail server did not take the message within {self._patience:.0f} seconds.")
        finally:
            wire.cut()

    def close(self) -> None:
        """Whoever still talks is cut off by the loop's end; nobody begins."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Wire:
    """The connection under a talk, so that another thread can end it."""

    def __init__(self) -> None:
        self._twin: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket) -> None:
        self._twin = connection.dup()
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        self._is_cut = True
        if self._twin is not None:
            with contextlib.suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)
            self._twin.close()


class _Bounded:
    """A server's answers, up to a length that no honest one needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_ANSWERED

    def readline(self, size: int = -1) -> bytes:
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the server answers without end")
        return line

    def close(self) -> None:
        self._file.close()


class _Client(smtplib.SMTP):
    """smtplib's, connecting to addresses that were checked, not to whatever the name leads to by now."""

    file: Any

    def __init__(self, relay: Relay, addresses: Sequence[str], tls: ssl.SSLContext, wire: _Wire) -> None:
        self._relay, self._addresses, self._tls, self._wire = relay, addresses, tls, wire
        super().__init__(relay.host, relay.port, relay.sender.rpartition("@")[2], _STEP_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = self._connected(port, timeout)
        self._wire.hold(connection)
        if self._relay.security == "tls":
            return self._tls.wrap_socket(connection, server_hostname=host)
        return connection

    def _connected(self, port: int, timeout: float) -> socket.socket:
        failure = OSError("no address")
        for address in self._addresses:
            try:
                return socket.create_connection((address, port), timeout)
            except OSError as error:
                failure = error
        raise failure

    def sign_in(self, username: str, password: str) -> None:
        """As login(), which takes ASCII only. Source: RFC 4616 (PLAIN); LOGIN for servers that know nothing else."""
        self.ehlo_or_helo_if_needed()
        offered = str(self.esmtp_features.get("auth", "")).upper().split()
        if "PLAIN" in offered:
            code, answer = self.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{username}{chr(0)}{password}')}")
        elif "LOGIN" in offered:
            code, answer = self.docmd("AUTH", f"LOGIN {_base64(username)}")
            code, answer = self.docmd(_base64(password)) if code == _GO_ON else (code, answer)
        else:
            raise smtplib.SMTPNotSupportedError
        if code != _WELCOME:
            raise smtplib.SMTPAuthenticationError(code, answer)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class _Talk:
    """From greeting to goodbye, in a thread."""

    def __init__(self, relay: Relay, addresses: Sequence[str], tls: ssl.SSLContext, wire: _Wire) -> None:
        self._relay, self._addresses, self._tls, self._wire = relay, addresses, tls, wire

    def hand_over(self, recipients: Sequence[str], message: EmailMessage) -> Outcome:
        try:
            client = _Client(self._relay, self._addresses, self._tls, self._wire)
            try:
                return self._said(client, recipients, message)
            finally:
                client.close()
        except smtplib.SMTPException as error:
            return _refusal(error)
        except ssl.SSLCertVerificationError:
            return Outcome(False, "The certificate of the mail server is not trusted.")
        except ssl.SSLError:
            return Outcome(False, "The mail server does not speak TLS there; look at port and security.")
        except OSError:
            return Outcome(False, "The mail server cannot be reached, or it broke off.")

    def _said(self, client: _Client, recipients: Sequence[str], message: EmailMessage) -> Outcome:
        if self._relay.security == "starttls":
            client.starttls(context=self._tls)
        if self._relay.username is not None:
            client.sign_in(self._relay.username, self._relay.password or "")
        refused = client.send_message(message, self._relay.sender, list(recipients))
        with contextlib.suppress(smtplib.SMTPException, OSError):  # it has the message already
            client.quit()
        if refused:
            return Outcome(True, f"The mail server refused {len(refused)} of {len(recipients)} recipients.", 250)
        return Outcome(True, "The mail server took the message.", 250)


def _refusal(error: smtplib.SMTPException) -> Outcome:
    """A sentence with the code only: what servers write may hold addresses."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        final = bool(codes) and min(codes) >= 500
        code = min(codes, default=None)
        return Outcome(False, f"The mail server refused every recipient ({code}).", code, is_final=final)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Outcome(False, "The mail server offers neither the encryption nor the sign-in that is wanted.")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Outcome(False, "The mail server does not accept user name and password.", error.smtp_code)
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        final = error.smtp_code >= 500
        return Outcome(
            False, f"The mail server refused the message ({error.smtp_code}).", error.smtp_code, is_final=final
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return Outcome(False, f"The mail server is not ready ({error.smtp_code}).", error.smtp_code)
    return Outcome(False, "The mail server broke off.")
