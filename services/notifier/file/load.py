"""The files that the settings name, all of them right or Refused."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.notifier.campaign.campaign import Campaign
from services.notifier.file import campaigns, subscriptions
from services.notifier.file.campaigns import Rules
from services.notifier.plan.subscription import Subscription
from services.notifier.settings import NotifierSettings
from shared.errors import Refused


def load_campaigns(settings: NotifierSettings, rules: Rules) -> Sequence[Campaign]:
    """The campaigns of the settings' paths. Errors: Refused, with every fault of every file."""
    loaded = campaigns.load_paths(settings.campaigns, rules)
    for fault in loaded.faults:
        if fault.severity == "warning":
            structlog.get_logger().warning("campaign file", fault=fault.render())
    wrong = [fault.render() for fault in loaded.faults if fault.severity == "error"]
    if wrong:
        raise Refused("\n".join(wrong))
    return loaded.campaigns


def load_subscriptions(settings: NotifierSettings) -> Sequence[Subscription]:
    """The subscriptions of the settings' paths. Errors: Refused, with every fault of every file."""
    loaded = subscriptions.load_paths(settings.campaigns)
    wrong = [fault.render() for fault in loaded.faults if fault.severity == "error"]
    if wrong:
        raise Refused("\n".join(wrong))
    return loaded.subscriptions
