"""Which network addresses a webhook may reach: public ones only, judged when the connection is made.

The address is the resolved one, so that a name which changes its mind between check and use gains nothing.
"""

from __future__ import annotations

import socket

from aiohappyeyeballs import AddrInfoType
from ssrfguard import Policy


class AddressRefused(OSError):
    """The target's address is not public."""

    def __init__(self) -> None:
        # The same words for every address: a name that has several is then refused with this very error (aiohttp
        # would make one without a class of different ones), and the internal address is told to nobody.
        super().__init__("the target's address is not public")


_policy = Policy()


def is_public(address: str) -> bool:
    """Whether an IP address (text, no name) is one of the public internet."""
    return _policy.permits_address(address)


def public_socket(address: AddrInfoType) -> socket.socket:
    """A socket for this resolved address, as aiohttp's `socket_factory` wants it.

    Errors: AddressRefused when the address is not public.
    """
    family, kind, protocol, _, place = address
    if not is_public(str(place[0])):
        raise AddressRefused
    return socket.socket(family, kind, protocol)
