"""The attributes of a dial request: a mapping, or packed in one text.

Hundreds of thousands of dial requests may wait. A dictionary of four short attributes takes about 450 bytes,
the same as JSON takes 130. The text is also what the call to Connect carries.
"""

import json
from collections.abc import Mapping

Attributes = Mapping[str, str] | bytes
"""Bytes are packed attributes: a JSON object in UTF-8, with its keys in order.

Equal attributes have equal texts, whatever the order in which they were given. They are personal data, so
nothing may print them. An object around them would take 48 bytes more for each dial request.
"""

NO_ATTRIBUTES = b"{}"
"""The attributes of a request without any."""


def unpacked(attributes: Attributes) -> Mapping[str, str]:
    """Return attributes as a mapping."""
    if isinstance(attributes, bytes):
        decoded: dict[str, str] = json.loads(attributes)
        return decoded
    return attributes
