"""A story as the lines that `simulate` reads."""

from __future__ import annotations

import json

from services.stager.story.story import Story
from shared.clock import rfc3339


def lines_of(story: Story) -> list[str]:
    """One line an event, in order; what is sent twice stands twice."""
    lines = []
    for number, step in enumerate(story.steps):
        if (happening := step.happening) is None:
            continue
        line = {
            "messageId": f"step {number}",
            "type": happening.type,
            "userId": story.customer,
            "timestamp": rfc3339(step.at_ms - happening.late_ms),
            "receivedAt": rfc3339(step.at_ms),
            "traits" if happening.type in ("identify", "group") else "properties": dict(happening.members),
        }
        if happening.type == "track":
            line["event"] = happening.name
        lines += [json.dumps(line)] * (2 if happening.twice else 1)
    return lines
