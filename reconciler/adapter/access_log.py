"""The access log: one line of JSON for each request, of facts that hold no secret.

JSON in ASCII escapes every control character, so no line can be forged.
"""

import json

from reconciler.adapter.exchanges import Exchange


def line(exchange: Exchange, *, time: str, seconds: float) -> str:
    """Write an exchange that is over; `status` is null where the client left before the answer."""
    return json.dumps(
        {
            "time": time,
            "id": exchange.id,
            "protocol": exchange.protocol,
            "principal": exchange.principal.name if exchange.principal else None,
            "operation": exchange.operation,
            "slug": exchange.slug,
            "status": exchange.status,
            "duration_ms": round(seconds * 1000, 3),
        }
    )
