"""Parser of AWS requests: access key, region, service, operation and parameters."""

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
_DRAIN_BYTES = 1 << 20  # per read
_MAX_BYTES = 64 << 20  # of a decompressed body

# Operations of S3 by method and by a parameter of the query (None: no such parameter).
_OBJECT_OPERATIONS = {
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
_BUCKET_OPERATIONS = {
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
    """A request of a client."""

    key: str | None  # access key id; None: unsigned
    region: str
    service: str  # as in the signature
    operation: str  # empty if unknown
    parameters: dict[str, Any]
    speaks_json: bool
    environ: dict[str, Any] = field(repr=False)  # of WSGI

    def drain(self) -> None:
        """Read the rest of the request; a client that is still sending would not read the response."""
        stream = self.environ["wsgi.input"]
        remaining = int(self.environ.get("CONTENT_LENGTH") or 0)
        while remaining > 0 and (data := stream.read(min(remaining, _DRAIN_BYTES))):
            remaining -= len(data)


def read_request(environ: dict[str, Any]) -> Request:
    """Parse a request; the body of a request to S3 stays unread.

    Args:
        environ: the WSGI environment; its ``wsgi.input`` is replaced if it was read.

    Raises:
        ValueError: the body should be JSON and is not.
    """
    query = {name: values[-1] for name, values in _query(environ).items()}
    key, region, service = _parse_signature(environ, query)
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    path = unquote(str(environ.get("PATH_INFO", "")))
    if service == "s3":
        operation, parameters = _parse_s3(environ, path, query)
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


def _parse_signature(environ: Mapping[str, Any], query: Mapping[str, str]) -> tuple[str | None, str, str]:
    """Return access key id, region and service, also from a presigned URL."""
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    match = _CREDENTIAL.search(header) or _CREDENTIAL.search(f"Credential={query.get('X-Amz-Credential', '')}")
    if match:
        key, region, service = match.groups()
        return key, region, service
    if "AWSAccessKeyId" in query:
        return query["AWSAccessKeyId"], "us-east-1", "s3"
    return None, "us-east-1", "" if "HTTP_X_AMZ_TARGET" in environ else "s3"


def _body(environ: dict[str, Any]) -> bytes:
    """Read and decompress the body, and put it back for later readers; botocore compresses large bodies."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = _decompress(body)
        del environ["HTTP_CONTENT_ENCODING"]
        environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _decompress(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = decompressor.decompress(body, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"it is not gzip: {error}") from None
    if not decompressor.eof:
        raise ValueError(f"it is cut off, or larger than {_MAX_BYTES >> 20} MiB decompressed")
    return content


def _form(environ: dict[str, Any]) -> dict[str, Any]:
    if not str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[-1] for name, values in parse_qs(_body(environ).decode()).items()}


def _parse_s3(environ: Mapping[str, Any], path: str, query: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    bucket, _, key = path.lstrip("/").partition("/")
    method = str(environ["REQUEST_METHOD"])
    if not bucket:
        return "ListBuckets", {}
    table = _OBJECT_OPERATIONS if key else _BUCKET_OPERATIONS
    matches = [name for for_method, name in table if for_method == method and name in query]
    operation = table.get((method, matches[0] if matches else None), "")
    if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        operation = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(operation, operation)
    parameters = (
        {"Bucket": bucket} | ({"Key": key} if key else {}) | ({"Prefix": query["prefix"]} if "prefix" in query else {})
    )
    return operation, parameters
