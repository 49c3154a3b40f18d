"""A customer at a glance: stages, metrics, traits, and what comes next by itself; as JSON shows them.

Pure: rules, a profile and an instant in, plain members out.
"""

from __future__ import annotations

from typing import Any

from services.stager.explain.as_json import foreseen_members
from services.stager.explain.explainer import at_instant, moment_of
from services.stager.explain.foresee import outlook
from services.stager.fold.dynamic import to_json
from services.stager.fold.evaluation import first_place
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.profile import Profile
from services.stager.fold.rules import Rules
from services.stager.language.definition import Kind, MetricValue
from shared.clock import rfc3339


def customer_view(rules: Rules, profile: Profile, at_ms: int) -> dict[str, Any]:
    """`customer`, `at`, `traits`, and for each lifecycle and segment its stage, visit, metrics and next change.

    Errors: Refused for an instant that the profile has already left behind.
    """
    now = at_instant(rules, profile, at_ms)
    return {
        "customer": profile.customer,
        "at": rfc3339(at_ms),
        "traits": now.traits.values,
        "lifecycles": {one.name: _lifecycle(rules, now, one, at_ms) for one in rules.lifecycles},
    }


def _lifecycle(rules: Rules, profile: Profile, lifecycle: CompiledLifecycle, at_ms: int) -> dict[str, Any]:
    known = profile.places[lifecycle.index]
    place = known or first_place(lifecycle, at_ms)
    moment = moment_of(profile, place, at_ms)
    value_of = lifecycle.compiler.compile_as
    values = {
        metric.name: to_json(value_of(MetricValue(metric.name, metric.kind), Kind.ANY).value(moment))
        for metric in lifecycle.definition.metrics
    }
    ahead = outlook(profile, rules, lifecycle.index)
    is_somewhere = place.stage is not None
    return {
        "segment": lifecycle.segment,
        "stage": place.stage,
        "since": rfc3339(place.since_ms) if is_somewhere else None,
        "stay_ms": at_ms - place.since_ms if is_somewhere else None,
        "entry": place.entries.get(place.stage, 0) if place.stage is not None else 0,
        "metrics": values,
        "next_move": foreseen_members(ahead.move),
        "next_linger": foreseen_members(ahead.linger),
        "pending": known is None or known.version != lifecycle.fingerprint,
    }
