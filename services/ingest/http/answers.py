"""What callers read: success, refusals and problems, in shapes that Segment's and RudderStack's SDKs understand.

RudderStack's Python SDK takes only status 200 for success, and repeats even a 400 unless the body has `code` and
`message`; beside them stand the members of RFC 9457.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.ingest.access.control import OverRate
from services.ingest.imports.history import Progress
from services.ingest.limits import RETRY_AFTER_S
from services.ingest.refusal import Code, Refusal, Rejected
from shared.errors import StagelineError
from shared.problem import FAULT, MEDIA_TYPE
from shared.problem import content as problem_content

_encode = msgspec.json.Encoder().encode
_SUCCESS = Response(_encode({"success": True}), media_type="application/json")  # the same one every time

_STATUS = {
    Code.UNKNOWN_KEY: HTTPStatus.UNAUTHORIZED,
    Code.EVENT_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.TOO_MANY_EVENTS: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.IMPORT_RUNNING: HTTPStatus.CONFLICT,
    Code.IMPORT_GAP: HTTPStatus.CONFLICT,
    Code.IMPORT_DIFFERS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
}


def success(beside: Mapping[str, Any] | None = None) -> Response:
    """200: what was sent is in the log, save for the refusals that `beside` names."""
    return Response(_encode({"success": True, **beside}), media_type="application/json") if beside else _SUCCESS


def batch_answer(*, accepted: int, refusals: Sequence[Refusal]) -> Response:
    """200 with the refused items, or 400 when every item was refused."""
    if not refusals:
        return success()
    if accepted:
        return success({"rejected": refusals})
    first = refusals[0]
    place = f"batch[{first.index}]" + (f".{first.field}" if first.field else "")
    return problem(HTTPStatus.BAD_REQUEST, first.code, first.message, field=place, beside={"rejected": refusals})


def import_answer(progress: Progress) -> Response:
    """200 with what became of the lines, or 400 when every line was refused."""
    beside = msgspec.structs.asdict(progress)
    if progress.accepted or progress.repeated or not progress.refused:
        return success(beside)
    first = progress.rejected[0]
    message = f"every line was refused, the first one: {first.message}"
    return problem(HTTPStatus.BAD_REQUEST, first.code, message, field=first.field, beside=beside)


def rejection(error: Rejected, *, beside: Mapping[str, Any] | None = None) -> Response:
    """The answer to a request, or its only item, that cannot be admitted."""
    status = _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    response = problem(status, error.code, error.message, field=error.field, beside=beside)
    if isinstance(error, OverRate):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def unavailable(error: StagelineError, *, beside: Mapping[str, Any] | None = None) -> Response:
    """503: try again soon. Events keep their ids, so sending them again doubles nothing."""
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, Code.UNAVAILABLE, str(error), beside=beside)


def problem(
    status: HTTPStatus,
    code: Code | None,
    message: str,
    *,
    field: str | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Response:
    """An error answer; without a code it is named after its status."""
    content = problem_content(status, message, code=code, field=field)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="stageline", charset="UTF-8"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(_encode({**content, **(beside or {})}), status, headers=headers, media_type=MEDIA_TYPE)


def answer_problems(app: FastAPI) -> None:
    """Let what the framework itself answers have the same shape."""
    app.add_exception_handler(HTTPException, _of_routing)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(Exception, _of_fault)


async def _of_routing(_request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such route, another method, no admin token."""
    assert isinstance(error, HTTPException)
    response = problem(HTTPStatus(error.status_code), None, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _of_parameters(_request: Request, error: Exception) -> Response:
    """422: a parameter of the query is not what it must be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, Code.INVALID_FIELD, str(first["msg"]), field=str(first["loc"][-1]))


async def _of_fault(_request: Request, _error: Exception) -> Response:
    """500: a fault of ours, which is logged."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, None, FAULT)
