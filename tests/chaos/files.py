"""The lifecycles and campaigns of the chaos tests: short windows, so that time itself is at work during the trouble."""

from __future__ import annotations

from pathlib import Path

LIFECYCLES = """
lifecycle: shop
metrics:
  orders:     {count: Order Completed}
  recent:     {count: Order Completed, within: 4s}
  views:      {count: Product Viewed}
  spent:      {sum: revenue, of: Order Completed}
  last_order: {last: Order Completed}
carry: [orders, spent]
stages:
  - stage: visitor
  - stage: customer
    when: orders >= 1
  - stage: busy
    when: recent >= 3
    until: recent < 2
  - stage: quiet
    when: orders >= 1 and since(last_order) >= 5s
    linger: [1s, 3s]
  - stage: gone
    when: orders >= 1 and since(last_order) >= 15s
---
segment: curious
metrics:
  views_6s: {count: Product Viewed, within: 6s}
when: views_6s >= 2
linger: 2s
"""

CAMPAIGNS = """
campaign: goodbye
on: {lifecycle: shop, stage: gone, change: moved}
send:
  - channel: console
---
campaign: win-back
on: {lifecycle: shop, stage: quiet, change: lingered, nth: 1}
send:
  - channel: console
"""


def write_files(folder: Path) -> dict[str, str]:
    """Write both, and return the settings that name them."""
    (folder / "lifecycles.yaml").write_text(LIFECYCLES)
    (folder / "campaigns.yaml").write_text(CAMPAIGNS)
    return {
        "STAGELINE_LIFECYCLES": str(folder / "lifecycles.yaml"),
        "STAGELINE_CAMPAIGNS": str(folder / "campaigns.yaml"),
    }
