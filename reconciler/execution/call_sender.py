"""Send the writes of one action, and track their responses.

A call is announced before it is sent, so that the ledger has the intent on disk first. A call
without a response stays in `unanswered` until a read has shown whether it was carried out. An
action that ends with such a call is `unknown`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Observed
from reconciler.errors import ReconcilerError
from reconciler.execution.cancellation import CancelToken, Interrupted
from reconciler.execution.events import CallEnded, CallStarted, Emit
from reconciler.execution.secret_values import with_values
from reconciler.planning.actions import Action
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import RemoteError

_NAMES = {
    OperationName.CREATE: "created",
    OperationName.UPDATE: "fields",
    OperationName.DELETE: "deleted",
    OperationName.UPDATE_MODELS: "models",
    OperationName.DELETE_MODELS: "custom models deleted",
    OperationName.UPDATE_WORKSPACES: "workspaces",
}
_WRITTEN = {
    **_NAMES,
    OperationName.UPDATE: "fields written",
    OperationName.UPDATE_MODELS: "models written",
    OperationName.UPDATE_WORKSPACES: "workspaces written",
}
_MISSING = {
    OperationName.CREATE: "not re-created",
    OperationName.UPDATE: "fields missing",
    OperationName.DELETE: "not deleted",
    OperationName.UPDATE_MODELS: "models missing",
    OperationName.DELETE_MODELS: "custom models not deleted",
    OperationName.UPDATE_WORKSPACES: "workspaces missing",
}


@dataclass
class CallSender:
    """Calls of one action: `done` were carried out, `unanswered` may have been.

    With `of_shadow`, they are those of the shadow of a staged rotation.
    """

    api: IntegrationsAPI
    values: Mapping[SecretRef, Redacted]
    action: Action
    emit: Emit
    cancel: CancelToken
    of_shadow: bool = False
    tries: Counter[OperationName] = field(default_factory=Counter)
    request_ids: list[str] = field(default_factory=list)
    done: list[Call] = field(default_factory=list)
    unanswered: list[Call] = field(default_factory=list)

    async def send(self, call: Call, *, last_seen: Observed | None = None) -> Reply:
        """Announce a call and send it; raise `Interrupted` if the run was requested to stop."""
        # Checked before every call: an action of several calls stops between them, which
        # `half_done` shows.
        if self.cancel.requested:
            raise Interrupted(self.cancel.reason, code="interrupted", hint="run apply again")
        await self._announce(CallStarted(self.action, call, last_seen, of_shadow=self.of_shadow))
        # Recorded before the request: a cancellation during the request leaves the call in doubt.
        self.unanswered.append(call)
        try:
            reply = await self.api.call(with_values(call, self.values))
        except RemoteError as problem:
            # A refused call was certainly not carried out, so it leaves nothing in doubt.
            if not problem.outcome_unknown:
                self.unanswered.pop()
            ended = CallEnded(
                self.action,
                call,
                problem.request_id,
                error=problem.code,
                refused=not problem.outcome_unknown,
            )
            self._account(ended, problem.attempts)
            raise
        self.unanswered.pop()
        self.done.append(call)
        is_create = call.operation is OperationName.CREATE
        made = created_id(reply, self.action.slug) if is_create else None
        self._account(CallEnded(self.action, call, reply.request_id, made=made), reply.attempts)
        return reply

    async def _announce(self, event: CallStarted) -> None:
        """Emit a call's start and wait until it is recorded; a failure to record ends the run."""
        try:
            recorded = self.emit(event)
            if recorded is not None:
                await recorded
        except ReconcilerError as problem:
            self.cancel.request(problem.summary)
            # A call that is not recorded is not sent: after a crash, nothing would show that it may
            # have been carried out.
            raise Interrupted(problem.summary, code=problem.code, hint=problem.hint) from problem

    def settle(self) -> None:
        """Record that a read has shown which of the unanswered calls were carried out."""
        self.unanswered.clear()

    @property
    def attempts(self) -> int:
        """Return the highest number of attempts of a call: 1 if each was answered at once."""
        return max(self.tries.values(), default=0)

    @property
    def doubt(self) -> str:
        """Describe the calls that may or may not have been carried out; empty if there are none."""
        names = ", ".join(_NAMES[call.operation] for call in self.unanswered)
        return f"not known to be carried out: {names}" if names else ""

    @property
    def progress(self) -> str:
        """Describe the calls that were carried out."""
        return ", ".join(_NAMES[call.operation] for call in self.done)

    @property
    def half_done(self) -> str:
        """Return which calls were carried out and which were not; empty if all or none were."""
        left = Counter(call.operation for call in self.action.calls)
        done = [call.operation for call in self.done]
        # The integration with another slug was deleted again, so nothing of the create is left.
        if done.count(OperationName.DELETE) > left[OperationName.DELETE]:
            done.remove(OperationName.CREATE)
            done.remove(OperationName.DELETE)
        left -= Counter(done)
        if not done or not left:
            return ""
        unknown = Counter(call.operation for call in self.unanswered)
        parts = [_WRITTEN[operation] for operation in done]
        parts += [f"{_NAMES[operation]} unknown" for operation in unknown]
        parts += [_MISSING[operation] for operation in left - unknown]
        return ", ".join(parts)

    def _account(self, ended: CallEnded, attempts: int) -> None:
        self.tries[ended.call.operation] += attempts
        if ended.request_id:
            # Including those of refused calls, which a support request needs.
            self.request_ids.append(ended.request_id)
        try:
            self.emit(ended)
        except ReconcilerError as problem:
            # The call is complete in both cases; the content of the response is checked later.
            self.cancel.request(problem.summary)


def created_id(reply: Reply, slug: str) -> str | None:
    """Return the id in the response to a create, None if the response is about another slug."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    identity = body.get("id") if body.get("slug") == slug else None
    return identity if isinstance(identity, str) and is_uuid(identity) else None
