"""From a delivery, its step and the customer as of now to the message that goes out.

Plain functions of values: this module must not know files, the log, the database, a channel or any clock.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.notifier.campaign.step import Step
from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import NoAddress, Rejected
from services.notifier.delivery.delivery import Delivery
from services.notifier.delivery.message import Message
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.errors import Malformed
from shared.transition import Transition

TRAITS = "traits."


def compose(
    delivery: Delivery, step: Step, *, traits: Mapping[str, object], links: UnsubscribeLinks
) -> Message | NoAddress | Rejected:
    """The message of a delivery. `traits` are the customer's as of now, empty for a customer without any.

    NoAddress: the trait that the step sends to holds no text. Rejected: a template cannot be rendered for this
    customer; the reason says what is missing.
    """
    transition = delivery.transition
    target = _target(step.target, traits)
    if target is None:
        return NoAddress(f"the customer has no `{step.target}`")
    link = links.link(customer=transition.customer, campaign=delivery.campaign)
    values = namespace(transition, campaign=delivery.campaign, traits=traits, link=link)
    try:
        parts = {name: _rendered(step, name, values) for name in step.parts}
    except Malformed as error:
        return Rejected(str(error))
    return Message(
        id=delivery.id, campaign=delivery.campaign, channel=step.channel, target=target, transition=transition,
        parts=parts, unsubscribe=link,
    )  # fmt: skip


def namespace(transition: Transition, *, campaign: str, traits: Mapping[str, object], link: str) -> dict[str, object]:
    """What a template can name (`template.NAMESPACE`). What a customer does not have is absent, never null."""
    carried = {} if transition.carried is msgspec.UNSET else transition.carried
    metrics = {name: value for name, value in carried.items() if value is not None and not name.startswith(TRAITS)}
    values: dict[str, object] = {
        "customer": {"id": transition.customer, "traits": traits},
        "traits": traits,
        "metrics": metrics,
        "transition": {
            "id": transition.id, "change": transition.change, "from": transition.from_stage, "to": transition.to_stage,
            "at": transition.at, "entry": transition.entry, "nth": transition.nth, "stay_ms": transition.stay_ms,
            "cause": msgspec.to_builtins(transition.cause), "n": transition.n, "seq": transition.seq,
        },
        "lifecycle": {"name": transition.lifecycle, "stage": transition.to_stage, "version": transition.version},
        "campaign": {"name": campaign},
    }  # fmt: skip
    return {**values, "unsubscribe_link": link} if link else values


def _target(target: str, traits: Mapping[str, object]) -> str | None:
    if not target.startswith(TRAITS):
        return target
    found: object = traits
    for key in target.removeprefix(TRAITS).split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found.strip() or None if isinstance(found, str) else None


def _rendered(step: Step, name: str, values: Mapping[str, object]) -> str:
    """Errors: Malformed."""
    template = step.parts[name]
    text = template.render(values)
    if template.markup is not Markup.JSON:
        return text
    try:
        return msgspec.json.format(text.strip(), indent=-1)
    except msgspec.DecodeError as error:
        raise Malformed(f"the template `{name}` does not make JSON: {error}") from error
