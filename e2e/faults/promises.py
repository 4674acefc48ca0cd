"""What a client was promised, and what must therefore be found at a moment: what was acknowledged is there once, what was deleted or too old
is not."""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass

NEVER = float("inf")


@dataclass
class Call:
    """A call that was sent in a trace of its own. Times are seconds since the epoch."""

    user: str
    # How many days before it was sent it began.
    age: float
    sent: float
    acknowledged: float = NEVER
    # Since when nothing of it is on its way any more.
    settled: float = NEVER
    # When the error event was acknowledged that was sent before it; None where there was none.
    error: float | None = None


@dataclass
class Deletion:
    """That a trace or a user was deleted; `ended` is when the receipt came."""

    what: str
    name: str
    began: float
    ended: float = NEVER


class Promises:
    def __init__(self, kept_days):
        self.kept_days = kept_days
        self.calls = {}
        self.deletions = []
        self.lock = threading.Lock()

    def call(self, trace, user, age, sent):
        with self.lock:
            self.calls[trace] = call = Call(user, age, sent)
        return call

    def deletion(self, what, name, began):
        deletion = Deletion(what, name, began)
        with self.lock:
            self.deletions.append(deletion)
        return deletion

    def acknowledged(self, before=NEVER):
        with self.lock:
            return {trace: call for trace, call in self.calls.items() if call.acknowledged < before}

    def expected(self, begin, end=None):
        """Traces that must be found, and traces that must not, by who looks at one moment between the two."""
        end = begin if end is None else end
        with self.lock:
            deletions, calls = list(self.deletions), list(self.calls.items())
        by_name = defaultdict(list)
        for deletion in deletions:
            if deletion.began < end:
                by_name[deletion.what, deletion.name].append(deletion)
        must, never = set(), set()
        for trace, call in calls:
            meant = [one for key in (("trace", trace), ("user", call.user)) for one in by_name.get(key, ()) if call.sent < one.ended]
            if any(call.settled < one.began and one.ended < begin for one in meant):
                never.add(trace)
            elif not meant and call.acknowledged < begin and call.age < self.kept_days:
                must.add(trace)
        return must, never

    def wrong(self, found, errors, begin, end=None):
        """What is wrong with the traces that are found, each as often as it is there, and with those of error events."""
        must, never = self.expected(begin, end)
        wrong = []

        def complain(traces, of, what):
            if traces:
                wrong.append(f"{len(traces)} of {len(of)} {what}, as {min(traces)}")

        complain(must - set(found), must, "acknowledged calls are lost")
        complain(never & set(found), never, "deleted calls are back")
        complain({trace for trace, count in Counter(found).items() if count > 1}, found, "calls are there more than once")
        complain(set(found) - set(self.calls), found, "calls were never sent")
        with_error = {trace for trace, call in self.calls.items() if call.error and call.error < begin}
        complain((must & with_error) - set(errors), with_error, "acknowledged errors are lost")
        # Whose error it is says its call alone, which may never have come, or been too old to be there still.
        known = {trace for trace in never if self.calls[trace].age < self.kept_days and self.calls[trace].acknowledged < NEVER}
        complain(known & set(errors), known, "errors of deleted calls are back")
        complain({trace for trace, count in Counter(errors).items() if count > 1}, errors, "errors are there more than once")
        return wrong

    def halves(self, found, errors, begin):
        """Deletions without a receipt that are neither done nor undone."""
        found, errors, halves = set(found), set(errors), []
        with self.lock:
            deletions = [one for one in self.deletions if one.began < begin <= one.ended]
        for deletion in deletions:
            of = lambda trace, call: deletion.name == (trace if deletion.what == "trace" else call.user)
            meant = {
                trace: call for trace, call in self.calls.items()
                if of(trace, call) and max(call.acknowledged, call.settled) < deletion.began and call.age < self.kept_days
            }  # fmt: skip
            others = [one for one in self.deletions if one is not deletion and one.began < begin]
            meant = {t: c for t, c in meant.items() if not any(one.name in (t, c.user) for one in others)}
            there = {trace in found for trace in meant} | {trace in errors for trace, call in meant.items() if call.error}
            if len(there) > 1:
                halves.append(f"half of the {deletion.what} {deletion.name} is deleted")
        return halves
