"""Public address of a store: without credentials, so that it can be shown and stored."""

from __future__ import annotations


def public(uri: str) -> str:
    """Return an address without user, password and query, so that it can be shown and stored."""
    scheme, sign, rest = uri.partition("://")
    if not sign or rest.startswith("/"):
        return uri.partition("?")[0]
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
