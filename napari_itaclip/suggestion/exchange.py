"""One request to a server and its answer: bounded in size and time, and to be abandoned at will.

Written with the standard library's client for its narrowness: it follows no redirection, reads no
proxy from the environment, and keeps no log.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from napari_itaclip.suggestion.background import TooSlowError, start, wait_for
from napari_itaclip.suggestion.provider import SuggestionCancelledError, SuggestionError
from napari_itaclip.suggestion.provider_settings import ProviderSettings, is_loopback
from napari_itaclip.suggestion.secret_key import SecretKey, find_key

MAX_ANSWER_BYTES = 1 << 20
"""The longest answer that is read."""

_CHUNK = 1 << 14


class Answer(NamedTuple):
    """What a server gave."""

    status: int
    content_type: str
    """In lower case, without parameters."""
    body: bytes
    key: SecretKey
    """The key that was sent; no text of the answer is shown before it is redacted."""


def post_json(
    settings: ProviderSettings,
    path: str,
    body: bytes,
    *,
    timeout: float,
    cancel: Callable[[], bool],
) -> Answer:
    """Send JSON to the language model's server and return its answer, whatever its status.

    Parameters
    ----------
    settings
        Whose address to use.
    path
        What comes after the address's own path.
    body
        JSON in UTF-8.
    timeout
        Seconds for everything together.
    cancel
        Asked many times a second; True cuts the connection.

    Raises
    ------
    SuggestionError
        If there is no complete answer of at most `MAX_ANSWER_BYTES`.
    SuggestionCancelledError
        If ``cancel`` returned True.
    """
    if cancel():
        raise SuggestionCancelledError("cancelled")
    exchange = _Exchange(settings, path, body, timeout)
    try:
        return wait_for(start(exchange.run, "ask language model"), timeout=timeout, cancel=cancel)
    except (TooSlowError, TimeoutError):
        raise SuggestionError(
            f"{settings.url} did not answer within {timeout:g} s: a large model needs longer the "
            "first time, so try again, or take a smaller model"
        ) from None
    except SuggestionError:
        raise
    except ConnectionRefusedError:
        raise SuggestionError(
            f"nothing answers at {settings.url}: start the server (Ollama: `ollama serve`) or "
            "correct the address"
        ) from None
    except socket.gaierror:
        raise SuggestionError(
            f"there is no computer named {settings.host!r}, or no network: check the address"
        ) from None
    except ssl.SSLError as error:
        reason = error.reason or "no details"
        raise SuggestionError(
            f"no encrypted connection to {settings.url} ({reason}): a server on this computer "
            "usually has http://, not https://"
        ) from None
    except (http.client.HTTPException, OSError) as error:
        # The class alone: the text of such an error may repeat what was sent.
        raise SuggestionError(
            f"the connection to {settings.url} broke off ({type(error).__name__}): check that the "
            "address is a language model's server, and try again"
        ) from None
    finally:
        exchange.abandon()


@dataclass
class _Exchange:
    """A request that another thread can cut short."""

    settings: ProviderSettings
    path: str
    body: bytes
    timeout: float
    _socket: socket.socket | None = None
    _abandoned: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Answer:
        """Send the request and read the answer."""
        settings = self.settings
        key = find_key(settings)
        connection = self._connection()
        try:
            connection.connect()
            self._register(connection.sock)
            if settings.local and not is_loopback(connection.sock.getpeername()[0]):
                raise SuggestionError(
                    f"the name {settings.host!r} leads to another computer: write 127.0.0.1"
                )
            headers = {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "napari-itaclip",
                "Connection": "close",
                **key.header(),
            }
            target = settings.address.path.rstrip("/") + self.path
            connection.request("POST", target, self.body, headers)
            response = connection.getresponse()
            if response.getheader("Content-Encoding", "identity").lower() != "identity":
                raise SuggestionError(
                    f"{settings.url} sent a compressed answer, which was not asked for"
                )
            content_type = response.getheader("Content-Type", "").partition(";")[0]
            body = self._read(response)
            return Answer(response.status, content_type.strip().lower(), body, key)
        finally:
            connection.close()

    def abandon(self) -> None:
        """Cut the connection: whatever waits for it ends at once."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not the encrypted socket's own method, which is not for two threads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _connection(self) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        host, port = self.settings.host, self.settings.port
        if self.settings.address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)
        return http.client.HTTPConnection(host, port, timeout=self.timeout)

    def _register(self, opened: socket.socket) -> None:
        """Make the open connection known to `abandon`."""
        with self._lock:
            if self._abandoned:
                raise ConnectionAbortedError
            self._socket = opened

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Read the answer piece by piece, as far as is allowed."""
        content = bytearray()
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise SuggestionError(
                    f"{self.settings.url} sent more than {MAX_ANSWER_BYTES >> 20} MiB: that is no "
                    "answer to a short question; check the address and the model"
                )
            if self._abandoned:
                raise ConnectionAbortedError
        if response.length:  # what the server had announced and did not send
            raise http.client.IncompleteRead(b"", response.length)
        return bytes(content)
