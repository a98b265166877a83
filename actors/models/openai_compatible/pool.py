"""The connections of one process: httpx on aiohttp's transport.

The API of httpx at a quarter of its CPU, also with a thousand connections (its own pool scans all of them for each
request). Unbounded, because bounds are the coordinator's business; README.md says what else was decided. A read may take
as long as the call's own timeout lets it: a silent server may be thinking.
"""

from __future__ import annotations

from typing import Any

import httpx
from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 60.0
_UNBOUNDED = 0  # aiohttp's own word for it; None would mean 100
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")


def connection_pool() -> httpx.AsyncClient:
    """A client for many concurrent streams; lives on one event loop.

    The proxies of the environment are obeyed (``HTTPS_PROXY``, ``NO_PROXY``), except for this machine's own servers.
    Cookies are refused: calls under different keys share the connections and must not share anything else.
    """
    return _Client(
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        follow_redirects=False,
        mounts=dict.fromkeys(_LOOPBACK),
    )


class _Client(HttpxAiohttpClient):
    """Opens its connections with `_Transport`, whether there is a proxy or not, and takes no cookies."""

    @property
    def cookies(self) -> httpx.Cookies:
        """None, ever."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise NotImplementedError(
            "calls under different keys share the connections and must not share cookies"
        )

    def _init_transport(self, *_args: Any, **_kwargs: Any) -> httpx.AsyncBaseTransport:
        return _Transport()

    def _init_proxy_transport(
        self, proxy: httpx.Proxy, *_args: Any, **_kwargs: Any
    ) -> httpx.AsyncBaseTransport:
        return _Transport(proxy=proxy)


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them where they are: to look for them takes a tenth of a call's CPU."""


_NO_COOKIES = _NoCookies()


class _Transport(AiohttpTransport):
    """aiohttp with our bounds, and without the cookies that it would keep."""

    def get_client(self) -> ClientSession:
        connector = TCPConnector(limit=_UNBOUNDED, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=self.ssl_context)
        return ClientSession(connector=connector, cookie_jar=DummyCookieJar())
