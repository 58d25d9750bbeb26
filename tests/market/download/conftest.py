"""Fixtures: a server that answers for the operators, which the libraries reach as their proxy."""

from __future__ import annotations

import time

import pytest

from tests.market.download.operator_proxy import OperatorProxy, running, write_certificate

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("operators") / "certificate.pem")


@pytest.fixture
def operator(monkeypatch, certificate):
    """The server. Waits of the client take no time; its ``waits`` lists them."""
    with running(OperatorProxy(), certificate) as proxy:
        for name in PROXIES:
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        monkeypatch.setattr(time, "sleep", proxy.waits.append)
        yield proxy
