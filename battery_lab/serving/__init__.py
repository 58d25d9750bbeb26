"""Serving: an exported policy, loaded without training code and served over HTTP."""
