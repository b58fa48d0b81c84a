"""A prefix of a bucket as storage: obstore for whole objects, boto3 for what obstore lacks.

That is uploads of large objects that go on after a restart, exact names when listing (obstore takes away a slash at the
end and fails at two in the middle), and addresses that let somebody else write the parts of an object.

What comes is written at its place at once: S3 renames nothing. That it is whole is known to the hub, not to the bucket.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

import boto3
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from suanlian.model.data import DataFile, StorageKind
from suanlian.model.data_protocol import GRANT_S, Direction, GrantPage
from suanlian.storage.contract import (
    PART_BYTES,
    PIECE_BYTES,
    Code,
    S3At,
    Stat,
    StorageError,
    UploadGoneError,
    below,
    checked,
    listed,
)
from suanlian.storage.granted import COMPLETE, READ, UPLOAD, part_key, parts_granted
from suanlian.storage.web import Web, told_status

_DELETED_AT_ONCE: Final = 1000
_CONNECTIONS: Final = 32
_STATUS: Final = re.compile(r"status code: (\d{3})[^:]*:? ?(.{0,600})", re.DOTALL)
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Storage:
    """As ``Writable``. Nothing is asked of the server before the first call."""

    kind = StorageKind.S3

    def __init__(self, at: S3At) -> None:
        """Keys are taken as they are."""
        self._at = at
        self._prefix = f"{at.prefix.strip('/')}/" if at.prefix.strip("/") else ""
        self._store = _store(at, at.endpoint)
        self._web = Web(ca=at.ca)

    def close(self) -> None:
        """Close what is kept open."""
        self._web.close()
        if "_boto" in self.__dict__:
            self._boto.close()

    @cached_property
    def _boto(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        return _client(self._at, self._at.endpoint)

    @cached_property
    def _signing(self) -> tuple[S3Store, Any]:
        """The same for addresses that others call."""
        at = self._at.grant_endpoint
        return (_store(self._at, at), _client(self._at, at)) if at else (self._store, self._boto)

    # ------------------------------------------------------------ reading

    def files(self, place: str) -> Iterator[Stat]:
        """Every object below. An empty one whose name ends in a slash stands for a folder, and is left out."""
        within = self._key(checked(place)) + "/" if place else self._prefix
        with self._told(place):
            pages = self._boto.get_paginator("list_objects_v2").paginate(Bucket=self._at.bucket, Prefix=within)
            for page in pages:
                for found in page.get("Contents", ()):
                    name, size = str(found["Key"]).removeprefix(within), int(found["Size"])
                    if size or not (name.endswith("/") or not name):
                        yield Stat(listed(name), size)

    def stat(self, path: str) -> Stat | None:
        """As the server says."""
        try:
            with self._told(path):
                return Stat(path, obstore.head(self._store, self._key(checked(path)))["size"])
        except StorageError as error:
            if error.code is Code.SOURCE_GONE:
                return None
            raise

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """GET it, or a range of it."""
        key = self._key(checked(path))
        if length == 0:
            return
        got = 0
        with self._told(path):
            if length is not None:
                found = obstore.get(self._store, key, options={"range": (start, start + length)})
            else:
                found = obstore.get(self._store, key, options={"range": {"offset": start}} if start else None)
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                got += len(piece)
                yield piece
        if length is not None and got < length:
            raise StorageError(
                Code.SOURCE_GONE, f"{path!r} is {length - got} bytes shorter than what is asked for", path=path
            )

    def free(self) -> int | None:
        """S3 does not say."""
        return None

    def grant(self, place: str, files: Sequence[DataFile], direction: Direction, expires_at: datetime) -> GrantPage:
        """Signed addresses; ``storage.granted`` says how those to write are named."""
        left = min(expires_at - datetime.now(UTC), timedelta(seconds=GRANT_S))
        if left <= timedelta():
            raise StorageError(Code.GRANT_EXPIRED, "the grant would be over before it is made")
        keys = [self._key(checked(below(place, file.path))) for file in files]
        with self._told(place):
            reads = self._signed("GET", keys, left)
            if direction is Direction.READ:
                urls = {file.path: url for file, url in zip(files, reads, strict=True)}
            else:
                self._writable()
                urls = {file.path + READ: url for file, url in zip(files, reads, strict=True)}
                small = [number for number, file in enumerate(files) if file.size <= PART_BYTES]
                puts = self._signed("PUT", [keys[number] for number in small], left)
                urls |= {files[number].path: url for number, url in zip(small, puts, strict=True)}
                for file, parts in parts_granted(files):
                    urls |= self._upload_urls(file, self._key(below(place, file.path)), parts, left)
        return GrantPage(direction=direction, expires_at=expires_at, urls=urls)

    def _signed(self, method: Literal["GET", "PUT"], keys: list[str], left: timedelta) -> Sequence[str]:
        return obstore.sign(self._signing[0], method, keys, left) if keys else []

    def _upload_urls(self, file: DataFile, key: str, parts: int, left: timedelta) -> dict[str, str]:
        """An upload that goes on where one is under way."""
        found = self._boto.list_multipart_uploads(Bucket=self._at.bucket, Prefix=key).get("Uploads", ())
        begun = [one["UploadId"] for one in found if one["Key"] == key]
        upload = min(begun) if begun else self._begun(key)

        def signed(operation: str, **params: object) -> str:
            given = {"Bucket": self._at.bucket, "Key": key, "UploadId": upload, **params}
            seconds = max(1, int(left.total_seconds()))
            return str(self._signing[1].generate_presigned_url(operation, Params=given, ExpiresIn=seconds))

        urls = {part_key(file.path, number): signed("upload_part", PartNumber=number) for number in range(1, parts + 1)}
        urls[file.path + COMPLETE] = signed("complete_multipart_upload")
        urls[file.path + UPLOAD] = str(upload)
        return urls

    # ------------------------------------------------------------ writing

    def put(self, path: str, data: bytes) -> None:
        """PUT it."""
        self._writable()
        with self._told(path, writes=True):
            obstore.put(self._store, self._key(checked(path)), data, use_multipart=False)

    def begin(self, path: str, size: int) -> str:
        """Begin a multipart upload."""
        del size
        self._writable()
        with self._told(path, writes=True):
            return self._begun(self._key(checked(path)))

    def part(self, path: str, upload: str, number: int, span: tuple[int, int], pieces: Iterator[bytes]) -> str:
        """By an address that we sign for ourselves: so it is sent as it comes, and hashed by nobody on its way."""
        self._writable()
        given = {"Bucket": self._at.bucket, "Key": self._key(checked(path)), "UploadId": upload, "PartNumber": number}
        with self._told(path, writes=True):
            url = str(self._boto.generate_presigned_url("upload_part", Params=given, ExpiresIn=GRANT_S))
        try:
            return self._web.put(url, path, pieces, span[1])
        except StorageError as error:
            if error.code is Code.GRANT_EXPIRED:  # our own keys were denied: that does not run out
                raise StorageError(Code.REFUSED, str(error), path=path) from error
            raise

    def complete(self, path: str, upload: str, tags: Sequence[str]) -> None:
        """Put the parts together."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
        given = {"Bucket": self._at.bucket, "Key": self._key(checked(path)), "UploadId": upload}
        with self._told(path, writes=True):
            self._boto.complete_multipart_upload(**given, MultipartUpload={"Parts": parts})

    def abort(self, path: str, upload: str) -> None:
        """Forget the upload."""
        try:
            with self._told(path):
                self._boto.abort_multipart_upload(Bucket=self._at.bucket, Key=self._key(checked(path)), UploadId=upload)
        except UploadGoneError:
            return

    def abort_below(self, place: str) -> None:
        """Forget those that the bucket lists below."""
        within = self._key(checked(place)) + "/"
        self._writable()
        with self._told(place):
            pages = self._boto.get_paginator("list_multipart_uploads").paginate(Bucket=self._at.bucket, Prefix=within)
            for page in pages:
                for found in page.get("Uploads", ()):
                    self.abort(str(found["Key"]).removeprefix(self._prefix), str(found["UploadId"]))

    def delete(self, paths: Iterable[str]) -> None:
        """Remove objects, a thousand a call."""
        self._writable()
        keys = [self._key(checked(path)) for path in paths]
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            with self._told(""):
                self._remove(keys[start : start + _DELETED_AT_ONCE])

    def delete_below(self, place: str) -> None:
        """Remove every object below, whatever its name, and what was begun."""
        self.abort_below(place)
        with self._told(place):
            pages = self._boto.get_paginator("list_objects_v2").paginate(
                Bucket=self._at.bucket, Prefix=self._key(checked(place)) + "/"
            )
            for page in pages:
                self._remove([str(found["Key"]) for found in page.get("Contents", ())])

    def _remove(self, keys: list[str]) -> None:
        if not keys:
            return
        given = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        wrong = self._boto.delete_objects(Bucket=self._at.bucket, Delete=given).get("Errors", ())
        for error in wrong:
            if error.get("Code") not in _MISSING:
                key = str(error.get("Key", ""))
                raise StorageError(Code.REFUSED, f"{key!r} was not removed: {error.get('Code')}", path=key)

    def coming(self, place: str, transfer: str) -> str:
        """The place itself."""
        del transfer
        return checked(place)

    def land(self, place: str, transfer: str) -> None:
        """It lies there already."""

    def sweep(self, now: datetime, live: Collection[str]) -> None:
        """Grants run out by themselves; uploads of a place go with it."""

    # ------------------------------------------------------------ below

    def _begun(self, key: str) -> str:
        return str(self._boto.create_multipart_upload(Bucket=self._at.bucket, Key=key)["UploadId"])

    def _key(self, path: str) -> str:
        return f"{self._prefix}{path}"

    def _writable(self) -> None:
        if self._at.read_only:
            raise StorageError(Code.REFUSED, "this storage is only read")

    @contextmanager
    def _told(self, path: str, *, writes: bool = False) -> Iterator[None]:
        """What the two libraries raise becomes a StorageError. ``writes``: nothing can be missing but the bucket."""
        try:
            yield
        except FileNotFoundError as error:
            if writes:
                raise StorageError(Code.REFUSED, f"there is no bucket {self._at.bucket!r}", path=path) from error
            raise StorageError(Code.SOURCE_GONE, f"{path!r} is not there", path=path) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise _own(403, str(error), path) from error
        except (BaseError, OSError, ValueError) as error:
            found = _STATUS.search(str(error))
            if found is None:
                text = "the storage was not reached, or broke off"
                raise StorageError(Code.UNREACHABLE, f"{text}: {_first_line(error)}", path=path) from error
            raise _own(int(found[1]), found[2], path) from error
        except ClientError as error:
            answer = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            said = f"<Code>{answer.get('Error', {}).get('Code', '')}</Code>"
            raise _own(int(status), said, path) from error
        except BotoCoreError as error:
            text = f"the storage was not reached: {type(error).__name__}"
            raise StorageError(Code.UNREACHABLE, text, path=path) from error


def _store(at: S3At, endpoint: str) -> S3Store:
    return S3Store(
        at.bucket,
        config={"session_token": at.session_token} if at.session_token else None,
        endpoint=endpoint,
        access_key_id=at.access_key_id,
        secret_access_key=at.secret_access_key,
        region=at.region,
        virtual_hosted_style_request=not at.path_style,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=10),
            "read_timeout": timedelta(minutes=5),  # from the call's beginning: a slow link needs it to send one part
            "timeout": timedelta(hours=1),
            "pool_max_idle_per_host": str(_CONNECTIONS),
            **({"root_certificate": at.ca.read_bytes()} if at.ca else {}),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=60)},
    )


def _client(at: S3At, endpoint: str) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """``when_required``: servers of others do not all know the newer checksums."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=at.access_key_id,
        aws_secret_access_key=at.secret_access_key,
        aws_session_token=at.session_token,
        region_name=at.region,
        verify=str(at.ca) if at.ca else None,
        config=Config(
            s3={"addressing_style": "path" if at.path_style else "virtual"},
            signature_version="s3v4",
            connect_timeout=10,
            read_timeout=60,
            retries={"max_attempts": 3, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _own(status: int, said: str, path: str) -> StorageError:
    """As ``told_status``, of a call by our own keys: what is denied does not run out."""
    error = told_status(status, said.encode(), path)
    return StorageError(Code.REFUSED, str(error), path=path) if error.code is Code.GRANT_EXPIRED else error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
