"""What may be in the archive of an uploaded plan: one file of the expected name, and not too large.

Anybody whose pull request runs a workflow may have made it. It is never unpacked: the one member is
read into memory up to a limit, whatever its headers claim.
"""

import io
import zipfile
import zlib

from reconciler.github.client import UnexpectedResponse

MEMBER = "plan.json"
MAX_ARCHIVE = 16 * 1024 * 1024
MAX_PLAN = 64 * 1024 * 1024
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def plan_in(content: bytes, *, limit: int = MAX_PLAN) -> str:
    """Return the text of the plan in an archive; raises `UnexpectedResponse`."""
    what = "the archive of a plan"
    if len(content) > MAX_ARCHIVE:
        raise UnexpectedResponse(what, f"it has more than {MAX_ARCHIVE} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if [member.filename for member in members] != [MEMBER]:
                raise UnexpectedResponse(what, f"it holds something else than one {MEMBER}")
            member = members[0]
            if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
                raise UnexpectedResponse(what, "it is packed in an unusual way")
            with archive.open(member) as stream:
                text = stream.read(limit + 1)
        if len(text) > limit:
            raise UnexpectedResponse(what, f"the plan in it has more than {limit} bytes")
        return text.decode("utf-8")
    except (*_DAMAGED, zlib.error):
        pass
    raise UnexpectedResponse(what, "it is damaged")
