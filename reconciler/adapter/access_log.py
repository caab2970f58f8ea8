"""The access log: one line of JSON for each request, of facts that hold no secret.

JSON in ASCII escapes every control character, so no line can be forged.
"""

import json
import traceback
from pathlib import Path
from typing import Final

from reconciler.adapter.request_context import RequestContext


def line(exchange: RequestContext, *, time: str, seconds: float) -> str:
    """Write an exchange that is over; `status` is null where the client left before the answer."""
    return json.dumps(
        {
            "time": time,
            "id": exchange.id,
            "protocol": exchange.protocol,
            "client": exchange.client,
            "principal": exchange.principal.name if exchange.principal else None,
            "operation": exchange.operation,
            "slug": exchange.slug,
            "status": exchange.status,
            "duration_ms": round(seconds * 1000, 3),
        }
    )


_FRAMES: Final = 12


def failure(exchange_id: str, error: BaseException, *, time: str) -> str:
    """Write where the adapter itself failed: places, and no message, which may quote anything."""
    frames = traceback.extract_tb(error.__traceback__, limit=-_FRAMES)
    return json.dumps(
        {
            "time": time,
            "id": exchange_id,
            "failure": type(error).__name__,
            "at": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames],
        }
    )
