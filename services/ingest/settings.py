"""What ingest can be told from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from services.ingest.access.keys import FORM, SETTING, WriteKeys, parse_write_keys
from services.ingest.admission.schemas import Mode
from services.ingest.limits import APPEND_TIMEOUT_S, WAITING_BYTES_MAX, WAITING_BYTES_MIN, WAITING_REQUESTS_MAX
from shared.errors import Refused
from shared.settings import PREFIX, Settings


def _keys(given: object) -> WriteKeys:
    """Read at once, so that the keys themselves are kept nowhere; a Refused passes through without showing them."""
    return given if isinstance(given, WriteKeys) else parse_write_keys(str(given))


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


class IngestSettings(Settings):
    """Ingest's own settings."""

    model_config = SettingsConfigDict(arbitrary_types_allowed=True, env_prefix=PREFIX, extra="ignore", frozen=True)

    ingest_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP API; 0 takes any free one.")
    write_keys: Annotated[WriteKeys, NoDecode, BeforeValidator(_keys)] = Field(
        WriteKeys(), description="Who may send: `name:key,name:key` or just `key`."
    )
    write_keys_file: Path | None = Field(
        None, description="The same in a file, one a line; a change of it counts at once, without a restart."
    )
    rate_events_s: int = Field(
        0, ge=0, description="Events a second of each write key that has no `rate=` of its own; 0 is no limit."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        ("*",), description="Origins whose pages may send, separated by commas; `*` is any."
    )
    cloudevents_customer: str = Field(
        "subject", pattern="^[a-z0-9]{1,64}$", description="The attribute of a CloudEvent that names the customer."
    )
    schemas: Path | None = Field(None, description="Folder of JSON Schemas, one for each event's name.")
    schema_mode: Mode = Field(Mode.WARN, description="What a violation leads to: `off`, `warn` or `reject`.")
    append_timeout_s: float = Field(
        APPEND_TIMEOUT_S, gt=0, le=60, description="Seconds that a request waits for the log before it answers 503."
    )
    drain_listen_s: float = Field(
        3.0, ge=0, le=15, description="Seconds after SIGTERM in which `/readyz` says 503 and requests are still taken."
    )
    waiting_bytes: int = Field(
        WAITING_BYTES_MAX,
        ge=WAITING_BYTES_MIN,
        description="Memory for requests under way, half of it at most for imports; beyond it the answer is 503.",
    )
    waiting_requests: int = Field(
        WAITING_REQUESTS_MAX,
        ge=1,
        description="Requests that wait for the log, and as many whose bodies still come; beyond it: 503.",
    )

    def require_keys(self) -> None:
        """Errors: Refused when nobody could send anything, saying what to set."""
        if not self.write_keys:
            raise Refused(f"{SETTING} is not set: {FORM}")
