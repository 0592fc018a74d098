"""Who may talk to the viewer: by which names it is called, and with which token.

On loopback alone no token is asked for, unless one was chosen. Whoever has the server listen beyond the machine gives
every caller a token to show: once in the address, which turns it into a cookie, or with each request as
`Authorization: Bearer`. A foreign name that is made to point at the server (DNS rebinding) is turned away by the Host
header all the same; a number is no name, so that addresses pass.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

__all__ = ["Access", "Guesses"]

_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE
)


class Guesses:
    """Counts wrong tokens by address, and says when one has had enough tries for now.

    Args:
        most: wrong tokens that an address may show within `window`.
        window: seconds.
        clock: seconds, monotonic.
    """

    REMEMBERED = 1_000
    """Addresses that are kept; the one that has been silent longest goes first."""

    def __init__(self, most: int = 20, window: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = window
        self._most = most
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str) -> None:
        """A wrong token came from `address`."""
        times = self._wrong.pop(address, deque(maxlen=self._most))
        times.append(self._clock())
        self._wrong[address] = times
        while len(self._wrong) > self.REMEMBERED:
            self._wrong.popitem(last=False)

    def exhausted(self, address: str) -> bool:
        """Whether `address` has to wait before its next try."""
        times = self._wrong.get(address)
        return times is not None and len(times) == self._most and self._clock() - times[0] < self.window


@dataclass(frozen=True, slots=True)
class Access:
    """What a request has to say of itself.

    Attributes:
        token: the secret to show, of any text; None asks for none.
        names: host names beyond loopback's that the server answers to, in lower case.
        beyond: whether the server listens beyond loopback, so that any numeric address may be its own.
        writable: whether anything may be changed through the server; False turns every request away that is not
            known to read only (see safety.py).
        frames: origins whose pages may show the viewer in a frame, beside its own.
        guesses: the wrong tokens so far.
    """

    token: str | None = None
    names: frozenset[str] = frozenset()
    beyond: bool = False
    writable: bool = True
    frames: tuple[str, ...] = ()
    guesses: Guesses = field(default_factory=Guesses)

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this server."""
        if _LOOPBACK.fullmatch(host):
            return True
        parts = _NAMED.fullmatch(host)
        if parts is None:
            return False
        name = parts["name"].lower()
        return name in self.names or (self.beyond and _is_address(name))

    def is_token(self, said: str) -> bool:
        """Whether `said` is the token; takes as long whatever of it is right."""
        wanted = (self.token or "").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(said.encode("utf-8", "surrogatepass"), wanted)

    @property
    def cookie_name(self) -> str:
        """The cookie of this token. Cookies ignore ports: two viewers of a machine must not share one."""
        return f"tallyboard-{self._digest('name')[:8]}"

    @property
    def cookie_value(self) -> str:
        """What shows that the token was known; the token itself is not kept in the browser."""
        return self._digest("cookie")

    def has_cookie(self, header: str) -> bool:
        """Whether a Cookie header has this server's cookie."""
        try:
            cookie = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value, self.cookie_value)

    def _digest(self, use: str) -> str:
        key = (self.token or "").encode("utf-8", "surrogatepass")
        return hmac.new(key, use.encode(), hashlib.sha256).hexdigest()


def _is_address(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return (address.version == 6) == name.startswith("[")
