"""Preview: what a campaign would say to one customer, step by step, without sending anything.

Plain functions of values: this module must not know files, the log, the database, a channel or any clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

import msgspec

from services.notifier.campaign.campaign import Campaign
from services.notifier.campaign.step import Step
from services.notifier.delivery.delivery import Delivery
from services.notifier.delivery.message import Message
from services.notifier.plan.plan import answers
from services.notifier.sending.compose import TRAITS, compose
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.transition import Transition

_NOBODY = UUID(int=0)  # nothing goes out, so nothing needs an id


def newest_answered(campaign: Campaign, transitions: Iterable[Transition]) -> Transition | None:
    """The first of these, newest first, that the campaign answers."""
    return next((one for one in transitions if answers(campaign.trigger, one)), None)


def carried_traits(transition: Transition) -> dict[str, object]:
    """The traits that a transition brings along: all that is known of them without the database."""
    carried = {} if transition.carried is msgspec.UNSET else transition.carried
    traits: dict[str, object] = {}
    for name, value in carried.items():
        if name.startswith(TRAITS) and value is not None:
            _put(traits, name.removeprefix(TRAITS).split("."), value)
    return traits


def preview(
    campaign: Campaign, transition: Transition, *, traits: Mapping[str, object], links: UnsubscribeLinks
) -> tuple[str, bool]:
    """What every step would say, for people; and whether all of them could be sent."""
    lines, is_whole = [f"{campaign.name}, on the transition of {transition.at}"], True
    for number, step in enumerate(campaign.steps, start=1):
        message = _composed(campaign.name, number, step, transition, traits=traits, links=links)
        is_whole = is_whole and isinstance(message, Message)
        lines += ["", *_shown(number, step, message)]
    return "\n".join(lines), is_whole


def _composed(
    name: str, number: int, step: Step, transition: Transition, *, traits: Mapping[str, object], links: UnsubscribeLinks
) -> Message | str:
    delivery = Delivery(
        id=_NOBODY, campaign=name, step=number, channel=step.channel, target=step.target, endpoint="", partition=0,
        stage="", while_in=True, transition=transition, at_ms=0, fresh_ms=0, attempt=1, take=1,
    )  # fmt: skip
    message = compose(delivery, step, traits=traits, links=links)
    return message if isinstance(message, Message) else message.reason


def _shown(number: int, step: Step, message: Message | str) -> Iterator[str]:
    if isinstance(message, str):
        yield f"step {number}, {step.channel}: would not be sent: {message}"
        return
    yield f"step {number}, {step.channel}" + (f" to {message.target}" if message.target else "")
    for name, text in message.parts.items():
        yield from [f"{name}:", *(f"  {line}" for line in text.splitlines())]
    if not message.parts:
        yield "the transition itself, as it stands"


def _put(traits: dict[str, object], path: list[str], value: object) -> None:
    for key in path[:-1]:
        inner = traits.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        traits = inner
    traits[path[-1]] = value
