"""What the stager can be told, beside what every service can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import NoDecode

from shared.settings import PathList, Settings


class StagerSettings(Settings):
    """The stager's settings."""

    lifecycles: Annotated[tuple[Path, ...], NoDecode, PathList] = Field(
        description="Lifecycle files or folders of them (`*.yaml`, `*.yml`), separated by commas."
    )
    stager_port: int = Field(8081, ge=0, le=65535, description="Port of the stager's HTTP routes.")
    batch_records_max: int = Field(8_000, ge=1, le=100_000, description="Most records of one SQL transaction.")
    cache_bytes_max: int = Field(
        256 * 1024 * 1024, ge=1_000_000, description="Memory for profiles that may be needed again, in bytes."
    )
