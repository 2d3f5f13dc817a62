"""Where questions are answered: one loop, one object per pool, many questions at a time."""

import asyncio
import os
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any

from nginy.balancer.api import OUTCOMES, UNUSED, Backend
from nginy.balancer.hooks import Hooks, key_of
from nginy.balancer.load import NO_ARGUMENTS
from nginy.balancer.mailbox import ATTEMPT, NONE, RAISED, SESSION, WRONG, Mailroom, Question
from nginy.balancer.publisher import Publisher

BEAT_S = 0.2
BATCH = 256  # questions, and records of ended attempts, between two looks at everything else
WORK_S = 0.001  # of batches in a row
RING_S = 0.0002  # answers wait for company no longer than this
WAITING_MAX = 4096  # async choices that have not come to an end
PUBLISH_S = 0.02  # a table waits for newer ones no longer than this
KINDS_MAX = 100  # of errors that control is told of
_OUTCOME_NAMES = tuple(OUTCOMES)


class Missed:
    """In the place of an object that could not be made."""

    def choose(self, context: Any, attempt: int) -> Any:
        raise NotImplementedError("there is no policy")


class Office:
    """Belongs to one loop. tell(message): a word to control.

    is_behind(): whether control has not read yet what it was told.   on_beat(): called at each beat.
    on_no_memory(): the policy found none.
    """

    def __init__(self, room: Mailroom, tell: Callable[[Mapping[str, Any]], object]) -> None:
        self.tell = tell
        self.is_behind: Callable[[], bool] = lambda: False
        self.on_beat: Callable[[], object] = lambda: None
        self.on_no_memory: Callable[[], object] = lambda: None
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._hired: dict[str, Hooks] = {}
        self._publishers: dict[str, Publisher] = {}
        self._tables: dict[tuple[str, str], Mapping[str, Any]] = {}  # by pool and kind, published and not told yet
        self._telling: asyncio.TimerHandle | None = None
        self._desks: dict[int, tuple[str, Hooks]] = {}
        self._reasons: tuple[str, ...] = ()
        self._waiting: set[asyncio.Task[None]] = set()
        self._seen: set[tuple[str, str]] = set()
        self._rung_s = 0.0
        self._is_awake = False  # it goes on in the next turn of the loop, and needs no bell
        self._timer: asyncio.TimerHandle | None = None

    # ---- who works here ----

    def hire(self, pool: str, policy_class: Any, kind: str, args: Mapping[str, Any] = NO_ARGUMENTS) -> None:
        """One object for one pool. Errors: whatever the class raises; TypeError for no policy."""
        policy = policy_class(**args)
        self._hired[pool] = Hooks(policy, kind)
        if kind == "table":
            self._publishers[pool] = policy.publish = Publisher(partial(self._publish, pool))

    def miss(self, pool: str, error: str) -> None:
        """There is no object for this pool: its fallback chooses, as for a class that raises."""
        self._hired[pool] = Hooks(Missed())
        self._seen.add((pool, f"choose {NotImplementedError.__name__}"))
        self.tell({"kind": "failed", "pool": pool, "error": error})

    def _publish(self, pool: str, table: Mapping[str, Any]) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._keep, {**table, "pool": pool})

    def _keep(self, message: Mapping[str, Any]) -> None:
        """Of those that come in a row control hears the newest: it has others to care for."""
        self._tables[message["pool"], message["kind"]] = message  # of a ring and a Maglev table the newer one
        if self._telling is None:
            self._telling = self._loop.call_later(PUBLISH_S, self._tell_tables)

    def _tell_tables(self) -> None:
        self._telling = None
        if self.is_behind():
            self._telling = self._loop.call_later(PUBLISH_S, self._tell_tables)
            return
        told, self._tables = self._tables, {}
        for message in told.values():
            self.tell(message)

    def take_set(self, message: Mapping[str, Any]) -> None:
        """What control says about pools: ids, backends, names of listeners."""
        self._room.listeners = {int(id): name for id, name in message["listeners"].items()}
        self._reasons = tuple(message["reasons"])
        desks = {}
        for pool, told in message["pools"].items():
            hooks = self._hired[pool]
            desks[told["id"]] = (pool, hooks)
            hooks.ring = told["ring"]
            self._build(pool, hooks, told["backends"])
        self._desks = desks

    def _build(self, pool: str, hooks: Hooks, rows: list[list[Any]]) -> None:
        """Backends that stay are the same objects; `build` is called when one came, went, or weighs differently."""
        before = [(b.id, b.address, b.weight, b.tier) for b in hooks.backends.values()]
        is_first = not self._desks
        backends = []
        for id, address, weight, tier, is_usable in rows:
            backend = hooks.backends.get(id)
            if backend is None or backend.address != address:
                backend = Backend(id, address, _count=self._room.in_flight_of)
            backend.weight, backend.tier, backend.is_usable = weight, tier, bool(is_usable)
            backends.append(backend)
        if pool in self._publishers:
            self._publishers[pool].show({backend.id: backend for backend in backends})
        if is_first or before != [(b.id, b.address, b.weight, b.tier) for b in backends]:
            try:
                hooks.build(backends)
            except Exception as error:
                self._hurt(pool, "build", error)

    # ---- work ----

    def open(self) -> None:
        """Answer from now on."""
        self._loop.add_reader(self._room.question_bell, self._rung)
        self._beat()
        self._wake()

    def shut(self) -> None:
        """No more answers."""
        self._loop.remove_reader(self._room.question_bell)
        for timer in (self._timer, self._telling):
            if timer is not None:
                timer.cancel()
        for task in self._waiting:
            task.cancel()

    def _beat(self) -> None:
        self._room.beat()
        self.on_beat()
        self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _rung(self) -> None:
        self._room.hush()
        self._wake()

    def _wake(self) -> None:
        self._is_awake = False
        self._room.rise()
        try:
            self._work()
        finally:
            if not self._is_awake and not self._room.sleep():
                self._go_on_soon()

    def _work(self) -> None:
        """Batch after batch for a moment: what has come meanwhile needs neither a bell nor a turn of the loop."""
        until_s = monotonic() + WORK_S
        while self._take_batch():
            if self._waiting or monotonic() > until_s:
                self._go_on_soon()  # others want their turn
                return

    def _take_batch(self) -> bool:
        """-> whether there was anything."""
        questions = self._room.take(BATCH)
        for question in questions:
            self._ask(question)
        self._room.ring()
        records = self._room.releases(BATCH)
        for record in records:
            self._release(record)
        self._room.beat()
        return bool(questions or records)

    def _go_on_soon(self) -> None:
        self._is_awake = True
        self._loop.call_soon(self._wake)

    def _ask(self, question: Question) -> None:
        desk = self._desks.get(question.pool)
        if desk is None:
            self._room.refuse(question, NONE)
            return
        if question.is_late:
            return
        pool, hooks = desk
        try:
            chosen = hooks.choose(question.visit, question, question.attempt)
        except Exception as error:
            self._room.refuse(question, RAISED)
            self._hurt(pool, hooks.hook, error)
            return
        if chosen is None or isinstance(chosen, (int, Backend)) or not hasattr(chosen, "__await__"):
            self._answer(question, hooks, chosen)
        elif len(self._waiting) < WAITING_MAX:
            self._wait(question, pool, hooks, chosen)
        else:
            _drop(chosen)
        now_s = monotonic()
        if now_s - self._rung_s > RING_S:
            self._rung_s = now_s
            self._room.ring()

    def _answer(self, question: Question, hooks: Hooks, chosen: Any) -> None:
        if hooks.is_key:
            self._answer_key(question, hooks, key_of(chosen))
            return
        id = hooks.id_of(chosen)
        if id is None:
            self._room.refuse(question, NONE)
        else:
            self._room.answer(question, id if id >= 0 else 2**31 - 1)

    def _answer_key(self, question: Question, hooks: Hooks, key: bytes | None) -> None:
        if key:
            self._room.answer_key(question, key, hooks.ring)
        else:
            self._room.refuse(question, WRONG if key is None else NONE)

    def _wait(self, question: Question, pool: str, hooks: Hooks, choosing: Any) -> None:
        task = self._loop.create_task(self._finish(question, pool, hooks, choosing))
        self._waiting.add(task)
        # nobody waits for it after its deadline
        timer = self._loop.call_later(max(0.0, question.due_s - monotonic()), task.cancel)
        task.add_done_callback(partial(self._over, timer))

    async def _finish(self, question: Question, pool: str, hooks: Hooks, choosing: Any) -> None:
        try:
            chosen = await choosing
        except Exception as error:
            self._room.refuse(question, RAISED)
            self._hurt(pool, hooks.hook, error)
        else:
            self._answer(question, hooks, chosen)
        self._room.ring()

    def _over(self, timer: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        timer.cancel()
        self._waiting.discard(task)

    def _release(self, record: tuple[Any, ...]) -> None:
        visit, pool_id, backend, kind, code, is_own, is_last, connect_us, session_ms, bytes_in, bytes_out = record
        desk = self._desks.get(pool_id)
        if desk is None:
            return
        names = {ATTEMPT: _OUTCOME_NAMES, SESSION: self._reasons}.get(kind, ())
        told = {
            "kind": names[code] if code < len(names) else UNUSED,
            "is_own": is_own, "is_last": is_last, "connect_s": connect_us / 1e6, "session_s": session_ms / 1e3,
            "bytes_in": bytes_in, "bytes_out": bytes_out,
        }  # fmt: skip
        try:
            desk[1].release(visit, backend, told)
        except Exception as error:
            self._hurt(desk[0], "release", error)

    # ---- trouble ----

    def _hurt(self, pool: str, hook: str, error: Exception) -> None:
        """Tell control of an error, each kind once."""
        if isinstance(error, MemoryError):
            self.on_no_memory()
        key = (pool, f"{hook} {type(error).__name__}")
        if key in self._seen or len(self._seen) == KINDS_MAX:
            return
        self._seen.add(key)
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
        self.tell({"kind": "raised", "pool": pool, "hook": hook, "error": text})


def _drop(choosing: Any) -> None:
    """Nobody will wait for it: end a coroutine, or a task, before it begins."""
    end = getattr(choosing, "close", None) or getattr(choosing, "cancel", None)
    if end is not None:
        end()
