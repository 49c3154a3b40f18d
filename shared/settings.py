"""Settings: `STAGELINE_` + name in the environment, each secret also as `.._FILE`.

Every service's settings extend `Settings`; a wrong one is Refused with its name, what it was and what is right. Fields
with `repr=False` are secrets: what they were is never shown.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Refused

PREFIX = "STAGELINE_"

_SERVER = re.compile(r"[^\s/:,]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")


def _log_address(address: str) -> str:
    kind, _, place = address.partition(":")
    if kind == "kafka" and all(_SERVER.fullmatch(server) for server in place.removeprefix("//").split(",")):
        return address
    if kind == "embedded" and place and not place.startswith(":"):
        return address
    raise ValueError("expected kafka://host:9092[,host:9092] or embedded:PATH")


def _database_address(address: str) -> str:
    scheme, _, place = address.partition("://")
    if scheme == "sqlite+aiosqlite" and place.startswith("/") and place not in ("/", "/:memory:"):
        return address
    if scheme != "postgresql+asyncpg" or not _names_database(address):
        raise ValueError("expected postgresql+asyncpg://user:password@host/name or sqlite+aiosqlite:///PATH")
    if "sslmode=" in urlsplit(address).query:
        raise ValueError("asyncpg calls it `ssl`: expected `ssl=require` instead of `sslmode=require`")
    return address


def _names_database(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return len(parts.path) > 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _token(text: str) -> str:
    token = text.strip()  # a secret often comes with a line end
    if token != text and not token:
        raise ValueError("expected a token, and this is blank")
    if not token.isascii() or " " in token:
        raise ValueError("expected ASCII characters without blanks, as a header can carry them")
    return token


def _split_paths(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


PathList = BeforeValidator(_split_paths)
"""Reads `a,b` as two paths; use it on a `tuple[Path, ...]` marked `NoDecode`."""


class Settings(BaseSettings):
    """What every service needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    log: Annotated[str, AfterValidator(_log_address)] = Field(
        "embedded:stageline-log.db", description="Where the log is: `kafka://host:9092` or `embedded:PATH`."
    )
    database: Annotated[str, AfterValidator(_database_address)] = Field(
        "sqlite+aiosqlite:///stageline.db",
        repr=False,  # it may hold a password
        description="Where the tables are: `postgresql+asyncpg://..` or `sqlite+aiosqlite:///PATH`.",
    )
    topic_prefix: str = Field(
        "stageline", pattern=r"^[a-z0-9._-]{1,100}$", description="Topics are named PREFIX.events ..."
    )
    partitions: int = Field(12, ge=1, le=1024, description="Partitions of `events`; fixed for life once created.")
    session_timeout_s: float = Field(30, ge=2, le=300, description="A silent owner loses its partitions after this.")
    group_instance_id: str | None = Field(
        None,
        description="A name that survives restarts of this process, so that a rolling restart moves no partitions.",
    )
    admin_token: Annotated[str, AfterValidator(_token)] = Field(
        "",
        repr=False,
        description="Bearer token that the query routes ask for; without one they answer this machine and no proxy.",
    )
    host: str = Field("127.0.0.1", description="Address that the HTTP ports listen on.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged.")


_Kind = TypeVar("_Kind", bound=Settings)


def read_settings(kind: type[_Kind]) -> _Kind:
    """The settings of the environment. Errors: Refused, one line for each setting that is wrong."""
    secrets = {name: text for name in kind.model_fields if (text := _from_file(name)) is not None}
    try:
        return kind(**secrets)  # type: ignore[arg-type]  # pydantic reads the text into the field's type
    except ValidationError as error:
        raise Refused("\n".join(_complaint(kind, part) for part in error.errors())) from error


def _from_file(name: str) -> str | None:
    path = os.environ.get(f"{PREFIX}{name.upper()}_FILE")
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Refused(f"{PREFIX}{name.upper()}_FILE: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{PREFIX}{name.upper()}_FILE: {path} is not UTF-8 text: byte {error.start} is wrong") from error


def _complaint(kind: type[Settings], part: ErrorDetails) -> str:
    """One line: the setting, what is wrong with it, and what it is for."""
    name = str(part["loc"][0])
    setting, field = PREFIX + name.upper(), kind.model_fields[name]
    about = field.description or ""
    if part["type"] == "missing":
        return f"{setting} is not set: {about}"
    said = part["msg"].removeprefix("Value error, ")
    got = f"; got {part['input']!r}" if field.repr else ""
    return f"{setting}: {said}{got} ({about.rstrip('.')})"
