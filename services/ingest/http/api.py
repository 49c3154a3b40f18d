"""The HTTP border: which routes there are, and how named failures become answers.

Every event route reads the raw request: SDKs lie about content types, and typed decoding is several times faster.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response

from services.ingest.admission.admit import KINDS, Kind
from services.ingest.http import answers
from services.ingest.http.event_app import Answer, EventApp
from services.ingest.http.handlers import Caller, Ingest, Taker, take_batch, take_cloud_events, take_import, take_single
from services.ingest.http.rejects import REJECTS_KEPT_MAX
from services.ingest.meters import request_count
from services.ingest.refusal import Rejected
from shared.errors import StagelineError
from shared.http import Readiness, add_operator_routes, require_admin

_SHORT: dict[Kind, str] = {"track": "t", "page": "p", "screen": "s", "identify": "i", "group": "g", "alias": "a"}
_ANYTHING = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


def make_app(ingest: Ingest, is_ready: Readiness) -> FastAPI:
    """The application. Documentation pages are off: they would load scripts from elsewhere."""
    routes = _routes()
    asked: dict[str, Answer] = {path: partial(_answer, ingest, path, taker) for path, (taker, _) in routes.items()}
    app = EventApp(
        asked, origins=ingest.origins, title="Stageline ingest", docs_url=None, redoc_url=None, redirect_slashes=False
    )
    answers.answer_problems(app)
    add_operator_routes(app, is_ready)
    _add_rejects(app, ingest)
    for path, (_, summary) in routes.items():
        _describe(app, asked[path], path, summary)
    return app


def _routes() -> dict[str, tuple[Taker, str]]:
    """Every event route: who takes it, and what it is."""
    routes: dict[str, tuple[Taker, str]] = {}
    for kind in KINDS.values():
        for name in (kind, _SHORT[kind]):
            routes[f"/v1/{name}"] = (partial(take_single, kind), f"One {kind} event.")
    for path in ("/v1/batch", "/v1/b", "/beacon/v1/batch"):
        routes[path] = (take_batch, "Up to 2,500 events; each is judged on its own.")
    routes["/v1/import"] = (take_import, "History as NDJSON, streamed, of any length.")
    routes["/events"] = (take_cloud_events, "CloudEvents 1.0: binary, structured or a batch.")
    return routes


def _describe(app: FastAPI, answer: Answer, path: str, summary: str) -> None:
    """Put a route into the description; what it answers comes from `EventApp`."""

    async def route(request: Request) -> Response:
        return await answer(request)

    app.add_api_route(
        path, route, methods=["POST"], summary=summary, response_model=None, name=path.strip("/").replace("/", "_"),
        openapi_extra=_ANYTHING,
    )  # fmt: skip


def _add_rejects(app: FastAPI, ingest: Ingest) -> None:
    @app.get("/rejects", dependencies=[Depends(require_admin(ingest.admin_token))], summary="What was refused lately.")
    async def rejects(
        limit: Annotated[int, Query(ge=1, le=REJECTS_KEPT_MAX)] = 100, source: str | None = None
    ) -> Response:
        found = ingest.rejects.newest(limit, source=source)
        return Response(msgspec.json.encode({"rejects": found}), media_type="application/json")


async def _answer(ingest: Ingest, path: str, taker: Taker, request: Request) -> Response:
    """The one place where named failures become answers."""
    try:
        with ingest.capacity.slot() as slot:
            caller = Caller(request, slot, path)
            try:
                response = await taker(ingest, caller)
            except Rejected as error:
                ingest.note(caller, error)
                response = answers.rejection(error)
    except StagelineError as error:  # the log is away, or not set up to take this: the operator's to mend
        response = answers.unavailable(error)
    request_count(path, response.status_code).inc()
    return response
