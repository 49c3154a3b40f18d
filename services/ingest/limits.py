"""How much ingest takes at once: every bound of the HTTP border, with the reason for its number."""

from __future__ import annotations

EVENT_BYTES_MAX = 32 * 1024  # what Segment's API takes, so SDKs already cut there
BATCH_BYTES_MAX = 4 * 1024 * 1024  # Segment's SDKs stop at 500 KB, RudderStack's at 4 MiB
BATCH_EVENTS_MAX = 2_500  # Segment's own bound
CONTEXT_BYTES_MAX = 8 * 1024  # an envelope's context is copied into each of its events; real ones have 1 to 3 KB
DEPTH_MAX = 32  # nesting of one event; msgspec itself gives up near 1,000
MEMBERS_MAX = 1_000  # keys and list items of one event's properties, traits or context

REJECTS_NOTED_MAX = 20  # of one request, for the operator: one bad batch must not push out everybody else's
IMPORT_REFUSALS_MAX = 5_000  # named in the answer to an import, one by one: about a megabyte
REFUSAL_LENGTH_MAX = 300  # of one such message or path, which may quote what was sent
IMPORT_APPEND_EVENTS_MAX = 1_000  # records of one append: larger gains nothing, smaller pays the log's round trip
IMPORT_APPEND_BYTES_MAX = 1024 * 1024  # the same, for large lines
IMPORT_NOTE_LINES = 20_000  # between two notes of how far an import is: what going on has to look through
IMPORT_MARKS_MAX = 100  # of an import, where what comes again is held to what came: two kilobytes of each note
IMPORT_APART_MAX = 1_000  # refused lines of which an import knows when they come mended: twenty kilobytes of each note
IMPORT_PAUSE_MIN_S = 1.0  # an import over its rate appends what it has and waits this long; less would be many appends
CHUNK_BYTES_MAX = 64 * 1024  # one step of decompression: what an import holds beside its pending records

BODY_TIMEOUT_S = 30.0  # for a whole batch to arrive; a client slower than that holds memory others need
CHUNK_TIMEOUT_S = 30.0  # between two pieces of an import: a silent client is gone
APPEND_TIMEOUT_S = 5.0  # the log's acknowledgement; SDKs give up after 10 s
APPEND_GRACE_S = 0.5  # the log bounds its own wait; this much later we stop believing it
RETRY_AFTER_S = 2  # what a caller is told to wait when the log does not answer

WAITING_BYTES_MAX = 80 * 1024 * 1024  # held at once by all requests: bodies and the records made of them
WAITING_BYTES_MIN = 20 * 1024 * 1024  # with less there would be no room for an import
WAITING_REQUESTS_MAX = 512  # for the log at once, whatever their size; and as many may be coming

LEFTOVER_BYTES_MAX = 8 * 1024 * 1024  # read and dropped after a refusal, so that the caller gets to read it
LEFTOVER_TIMEOUT_S = 5.0  # the same in time; then the connection is closed
PREFLIGHT_AGE_S = 86_400  # a day: what browsers may remember at most (Firefox)
