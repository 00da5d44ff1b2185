"""Takes the frames of one stream, or of one fetch."""

from __future__ import annotations

from strata._follow.ending import Cause, Ended, Ending, doubt, of_goodbye
from strata._follow.held import Held, Link
from strata._follow.timers import DEFAULT_HEARTBEAT, MAX_HEARTBEAT, seconds
from strata._gen.strata.serving.v1.config_pb import Goodbye, Heartbeat, Hello, Update, WatchResponse
from strata._view import OlderError, Position, Stage, UpdateError


class Session:
    """What a stream has brought so far. It is for one thread."""

    def __init__(self, held: Held, environment: str, anew: bool, fetched: bool) -> None:
        self._held = held
        self._environment = environment  # that was asked for, empty if none was
        self._anew = anew
        self._fetched = fetched
        self._began: float | None = None  # when Hello came
        self._stage = Stage()
        self.staging = False
        """Whether parts of an Update have come, and not the last one."""
        self.heartbeat = DEFAULT_HEARTBEAT
        self._informed = False  # a Heartbeat has said how old what the server has is
        self.settled = False
        """Whether something was taken over, or proved to be the newest."""

    @property
    def answered(self) -> bool:
        """Whether it has begun."""
        return self._began is not None

    def end(self, ending: Ending) -> Ending:
        """Completes an ending of the session."""
        lasted = 0.0 if self._began is None else self._held.clock() - self._began
        return Ending(
            ending.cause, ending.error, ending.least, ending.most,
            lasted, self.answered, self._anew, self.settled,
        )  # fmt: skip

    def take(self, frame: WatchResponse) -> None:
        """Takes a frame. It raises Ended if that has to be the last one."""
        if frame.frame is not None:  # else of a kind that is not known yet
            self._take(frame.frame.value)
        self._held.hear()

    def _take(self, frame: object) -> None:
        if isinstance(frame, Hello):
            self._begin(frame)
        elif isinstance(frame, Goodbye):
            raise Ended(of_goodbye(frame))
        elif not self.answered:
            raise doubt("a frame has come before Hello")
        elif isinstance(frame, Update):
            self._update(frame)
        elif isinstance(frame, Heartbeat):
            self._beat(frame)

    def _begin(self, hello: Hello) -> None:
        if self.answered:
            raise doubt("a second Hello has come")
        self._held.join(self._environment, hello.environment)
        self._began = self._held.clock()
        if hello.heartbeat_millis > 0:
            self.heartbeat = seconds(hello.heartbeat_millis, 0.001, MAX_HEARTBEAT)
        self._held.opened(
            Link(
                stream="" if self._fetched else hello.stream_id,
                heartbeat=self.heartbeat,
                report=seconds(hello.report_millis, 0, self.heartbeat),
            )
        )

    def _update(self, update: Update) -> None:
        try:
            view = self._stage.add(self._held.known.replicated, update)
        except OlderError as error:
            raise Ended(Ending(Cause.BEHIND, str(error))) from None
        except UpdateError as error:
            raise doubt(str(error)) from None
        self.staging = view is None
        if view is None:
            return
        self._held.take(view, update.resume_token)
        self.settled = True
        if self._informed:
            # What comes when a stream begins is not news, and may be as old as what
            # a relay has been holding; it tells with its first heartbeat. What comes
            # later is.
            self._held.confirm(0)

    def _beat(self, beat: Heartbeat) -> None:
        if self.staging:
            raise doubt("a heartbeat has come between the parts of an update")
        current = self._held.known.replicated
        at = Position(beat.epoch, beat.revision)
        if at < current.position:
            raise Ended(Ending(Cause.BEHIND, f"the server is at {at}, held is {current.position}"))
        if at > current.position:
            raise Ended(
                Ending(Cause.MISSED, f"the server is at {at}, and has sent {current.position}")
            )
        if beat.hash != current.hash:
            raise Ended(
                Ending(
                    Cause.MISSED,
                    f"{at}: the server's hash is {beat.hash.hex()}, held is {current.hash.hex()}",
                )
            )
        self.settled = self._informed = True
        self._held.confirm(max(0, beat.stale_millis) / 1000)
