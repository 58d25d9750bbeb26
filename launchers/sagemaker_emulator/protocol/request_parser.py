"""A request as it came: who sent it, which operation of which service it asks for, and with what parameters."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_DRAINED = 1 << 20  # bytes at once
_LARGEST = 64 << 20  # bytes of a body that was compressed

# What S3's request is, by its method and by a word in its query; None: none of the words.
_OF_OBJECT = {
    ("GET", "uploadId"): "ListParts",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", None): "GetObject",
    ("HEAD", None): "HeadObject",
    ("PUT", "partNumber"): "UploadPart",
    ("PUT", "tagging"): "PutObjectTagging",
    ("PUT", None): "PutObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("DELETE", None): "DeleteObject",
}
_OF_BUCKET = {
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", None): "ListObjects",
    ("HEAD", None): "HeadBucket",
    ("PUT", None): "CreateBucket",
    ("POST", "delete"): "DeleteObjects",
    ("DELETE", None): "DeleteBucket",
}


@dataclass
class Request:
    """One request of a client."""

    key: str | None  # access key id; None: unsigned
    region: str
    service: str  # as clients sign it
    operation: str  # "" where it can't be told
    parameters: dict[str, Any]
    speaks_json: bool
    environ: dict[str, Any] = field(repr=False)  # of WSGI

    def drain(self) -> None:
        """Read what the client still sends, so that it gets to read an answer that comes without work."""
        stream = self.environ["wsgi.input"]
        left = int(self.environ.get("CONTENT_LENGTH") or 0)
        while left > 0 and (data := stream.read(min(left, _DRAINED))):
            left -= len(data)


def read_request(environ: dict[str, Any]) -> Request:
    """Read a request; the body of one to S3 stays unread.

    Args:
        environ: of WSGI; its ``wsgi.input`` is replaced where it was read.

    Raises:
        ValueError: the body is said to be JSON and is not.
    """
    query = {name: values[-1] for name, values in _query(environ).items()}
    key, region, service = _signed(environ, query)
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    path = unquote(str(environ.get("PATH_INFO", "")))
    if service == "s3":
        operation, parameters = _of_s3(environ, path, query)
    elif target:
        operation, parameters = target.rpartition(".")[2], json.loads(_body(environ) or b"{}")
    elif service == "sagemaker" and path.count("/") == 1:
        operation, parameters = path.strip("/"), json.loads(_body(environ) or b"{}")
    else:
        parameters = query | _form(environ)
        operation = str(parameters.get("Action", "") or path.rpartition("/")[2])
    speaks_json = bool(target) or service == "sagemaker"
    return Request(key, region, service, operation, parameters, speaks_json, environ)


def _query(environ: Mapping[str, Any]) -> dict[str, list[str]]:
    return parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)


def _signed(environ: Mapping[str, Any], query: Mapping[str, str]) -> tuple[str | None, str, str]:
    """Return access key id, region and service; of an address that was signed beforehand too."""
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    found = _CREDENTIAL.search(header) or _CREDENTIAL.search(f"Credential={query.get('X-Amz-Credential', '')}")
    if found:
        key, region, service = found.groups()
        return key, region, service
    if "AWSAccessKeyId" in query:
        return query["AWSAccessKeyId"], "us-east-1", "s3"
    return None, "us-east-1", "" if "HTTP_X_AMZ_TARGET" in environ else "s3"


def _body(environ: dict[str, Any]) -> bytes:
    """Read the body, for others after this too, as it was before a client compressed it (botocore does large ones)."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = _unpacked(body)
        del environ["HTTP_CONTENT_ENCODING"]
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(body, _LARGEST)
    except zlib.error as error:
        raise ValueError(f"it is not gzip: {error}") from None
    if not unpacker.eof:
        raise ValueError(f"it is cut off, or larger than {_LARGEST >> 20} MiB unpacked")
    return plain


def _form(environ: dict[str, Any]) -> dict[str, Any]:
    if not str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[-1] for name, values in parse_qs(_body(environ).decode()).items()}


def _of_s3(environ: Mapping[str, Any], path: str, query: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    bucket, _, name = path.lstrip("/").partition("/")
    method = str(environ["REQUEST_METHOD"])
    if not bucket:
        return "ListBuckets", {}
    table = _OF_OBJECT if name else _OF_BUCKET
    words = [word for of, word in table if of == method and word in query]
    operation = table.get((method, words[0] if words else None), "")
    if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        operation = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(operation, operation)
    parameters = (
        {"Bucket": bucket}
        | ({"Key": name} if name else {})
        | ({"Prefix": query["prefix"]} if "prefix" in query else {})
    )
    return operation, parameters
