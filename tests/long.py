"""`python -m tests.long`: what takes too long for each change. HTTP's readers at random, odd requests to real HTTP
servers, soak, then the full comparison of benchmarks.

The soak mixes short, lasting and bulk sessions, and UDP flows that last, come and go, or ask and are answered on reused
sockets, all with checked bytes, with a reload every five seconds and a random fault every two, and watches memory,
descriptors, pipes and sums. It prints its seed; `--seed` repeats it. `--splice off` and `--options on` are for runs of
other ways through the engine.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

from tests.tools.changes import changing_config
from tests.tools.datagram_traffic import DatagramTraffic
from tests.tools.leaks import busy_parts, unbalanced
from tests.tools.nginy_process import Nginy
from tests.tools.proc import descriptors, resident_bytes
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import wait_until

FILLING_TURNS = 600
RELOAD_EVERY_S = 5.0
FAULT_EVERY_S = 2.0
SLOPE_MAX_BYTES_PER_H = 1 << 20
WARM_UP_SHARE = 0.5
STEP_BYTES = 256 * 1024
STEPS_MAX = 2
N_ODD_REQUESTS = 200_000
N_FUZZ_EXAMPLES = 1_000_000  # of each reader
JUDGED_FROM_S = 900.0  # in a shorter run the slope is the warm-up's


def kill_one_worker(nginy: Nginy, _chance: random.Random) -> str:
    """Only while all live: the promise is about one of several. Never the first: its memory is watched."""
    workers = nginy.workers()
    if any(row["state"] != "serving" for row in workers):
        return "a worker is missing already"
    os.kill(workers[-1]["pid"], signal.SIGKILL)
    return f"SIGKILL of worker {workers[-1]['slot']}"


def write_a_bad_file(nginy: Nginy, _chance: random.Random) -> str:
    good = nginy.config_path.read_text()
    nginy.write("pools: {")
    answer = nginy.ask("reload")
    nginy.write(good)
    assert not answer["ok"], "a bad file was taken"
    return "a bad file"


def storm_of_hangups(nginy: Nginy, _chance: random.Random) -> str:
    for _ in range(5):
        nginy.send(signal.SIGHUP)
    return "five SIGHUP at once"


FAULTS = (kill_one_worker, write_a_bad_file, storm_of_hangups)


@dataclass(frozen=True)
class Sample:
    """Resident bytes of control and of the worker that lives through it all."""

    at_s: float
    control: int
    worker: int


def sample(nginy: Nginy, worker_pid: int) -> Sample:
    return Sample(time.monotonic(), resident_bytes(nginy.pid), resident_bytes(worker_pid))


def memory_complaints(samples: list[Sample]) -> list[str]:
    if samples[-1].at_s - samples[0].at_s < JUDGED_FROM_S:
        return []
    slopes = {
        "control": slope_bytes_per_h([(one.at_s, one.control) for one in samples]),
        "a worker": slope_bytes_per_h([(one.at_s, one.worker) for one in samples]),
    }
    minutes = {int((one.at_s - samples[0].at_s) // 60): one.control for one in samples}
    print("control at the end of each minute, KiB:", " ".join(str(held // 1024) for held in minutes.values()))
    print(", ".join(f"slope of {who} {slope / 2**20:+.2f} MiB/h" for who, slope in slopes.items()))
    return [
        f"memory of {who} grows by {slope / 2**20:.1f} MiB an hour"
        for who, slope in slopes.items()
        if slope > SLOPE_MAX_BYTES_PER_H
    ]


def without_steps(samples: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The samples less what came at once: Python takes memory by the MiB, and one such step in twenty minutes looks
    like a steep slope. More than STEPS_MAX of them stay in: that is no accident."""
    jumps = [(later - one, at_s) for (_, one), (at_s, later) in pairwise(samples) if later - one >= STEP_BYTES]
    taken = sorted(jumps, reverse=True)[:STEPS_MAX]
    return [(at_s, held - sum(size for size, when_s in taken if when_s <= at_s)) for at_s, held in samples]


def slope_bytes_per_h(samples: list[tuple[float, int]]) -> float:
    """Least squares over what came after the warm-up."""
    tail = without_steps(samples[int(len(samples) * WARM_UP_SHARE) :])
    mean_t = sum(t for t, _ in tail) / len(tail)
    mean_b = sum(b for _, b in tail) / len(tail)
    spread = sum((t - mean_t) ** 2 for t, _ in tail)
    return sum((t - mean_t) * (b - mean_b) for t, b in tail) / spread * 3600 if spread else 0.0


def soak(minutes: float, seed: int, keys: dict, runtime: dict) -> list[str]:
    """What went wrong. keys: of the lasting listener; runtime: of the process."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        backends = [stack.enter_context(EchoBackend()) for _ in range(4)]
        addresses = [peer.address for peer in backends[:3]]
        datagrams = stack.enter_context(DatagramTraffic(seed))

        def config(turn: int) -> dict:
            tree = changing_config(turn, addresses, backends[3].address, workers=2, listener=keys, runtime=runtime)
            return datagrams.config(turn, tree)

        nginy = Nginy(config(0)).start()
        stack.callback(nginy.clean_up)
        # Control remembers removed names, and reads the rows of ids that it gives away again: both up to a bound, which
        # is reached first.
        for turn in range(1, FILLING_TURNS):
            nginy.reload(config(turn))
        traffic = stack.enter_context(Traffic(seed))
        traffic.short(nginy.address(), at_once=8)
        traffic.bulk(nginy.address(), at_once=2)
        datagrams.begin(nginy.address("flows"), nginy.address("names"))
        samples = run_soak(nginy, (traffic, datagrams), config, minutes, chance)
        return judge(nginy, traffic, datagrams, samples, config(0))


def run_soak(
    nginy: Nginy, both: tuple[Traffic, DatagramTraffic], config, minutes: float, chance: random.Random
) -> list[Sample]:
    traffic, datagrams = both
    start_s = time.monotonic()
    next_reload_s, next_fault_s, turn = start_s + RELOAD_EVERY_S, start_s + FAULT_EVERY_S, FILLING_TURNS
    samples: list[Sample] = []
    watched_pid = nginy.worker_pids()[0]
    while (now_s := time.monotonic()) < start_s + minutes * 60:
        if now_s >= next_reload_s:
            turn, next_reload_s = turn + 1, now_s + RELOAD_EVERY_S
            nginy.reload(config(turn))
            traffic.lasting(nginy.address(), 1)
            tally = traffic.tally
            carried = f"{tally.done} sessions, {tally.lasting_live} lasting, {tally.bulk_bytes >> 20} MiB, "
            carried += f"{datagrams.done} short flows"
            print(f"{now_s - start_s:6.0f} s  {carried}", flush=True)
        if now_s >= next_fault_s:
            next_fault_s = now_s + FAULT_EVERY_S
            said = chance.choice(FAULTS)(nginy, chance)
            if said.startswith("SIGKILL"):
                datagrams.deaths_s.append(time.monotonic())
            print(f"{now_s - start_s:6.0f} s  {said}", flush=True)
        samples.append(sample(nginy, watched_pid))
        time.sleep(0.2)
    return samples


def judge(
    nginy: Nginy, traffic: Traffic, datagrams: DatagramTraffic, samples: list[Sample], rest: dict
) -> list[str]:
    wait_until(lambda: all(row["state"] == "serving" for row in nginy.workers()), "all workers are back")
    datagrams.stop()
    tally = traffic.stop()
    nginy.reload(rest)
    wait_until(lambda: not any(row["sessions_live"] for row in nginy.status()["listeners"]), "every session has ended")
    wrong = datagrams.complaints()
    print(datagrams.summary())
    died = nginy.reasons().get("worker_died", 0)
    if tally.refused:
        wrong.append(f"{len(tally.refused)} refused, first {tally.refused[0]}")
    if len(tally.broken) > died:
        wrong.append(f"{len(tally.broken)} broken, {died} died with their workers; first {tally.broken[0]}")
    if off := unbalanced(nginy.status()):
        wrong.append(f"accepted is not live + reasons: {off}")
    wrong += memory_complaints(samples)
    wait_until(lambda: all(row["counters"]["pipes_open"] == 0 for row in nginy.workers()), "idle pipes are closed")
    if busy := busy_parts(nginy.status()):
        wrong.append(f"held at rest: {busy}")
    spliced = sum(row["counters"]["spliced_bytes"] for row in nginy.workers())
    print(
        f"{tally.done} short sessions, {tally.lasting_rounds} rounds of lasting ones, {tally.bulk_bytes >> 20} MiB of "
        f"bulk ({spliced >> 20} MiB spliced by the workers alive), {died} died with their workers, "
        f"connect + first byte p99.9 {tally.percentile_ms(0.999):.1f} ms, "
        f"{sum(descriptors(nginy.pid).values())} descriptors in control"
    )
    if nginy.stop() != 0:
        wrong.append("it did not end with 0")
    return wrong


def longer(path: str, seed: int, **more: int) -> bool:
    """A file of tests with many more examples than for each change; whether it passed."""
    environment = {name: str(number) for name, number in more.items()} | {"TEST_SEED": str(seed)}
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=3600", path]
    return subprocess.run(command, env=os.environ | environment, check=False).returncode == 0


def read_http(seed: int) -> list[str]:
    """What went wrong with messages of HTTP."""
    wrong = []
    if not longer("tests/unit/wire/test_http1_fuzz.py", seed, FUZZ_EXAMPLES=N_FUZZ_EXAMPLES):
        wrong.append("a reader of HTTP failed")
    if not longer("tests/real/test_one_reading.py", seed, TEST_ODD_REQUESTS=N_ODD_REQUESTS):
        wrong.append("odd requests are read differently")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of soak (default 20)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--splice", choices=["auto", "off"], default="auto")
    parser.add_argument("--options", choices=["on", "off"], default="off", help="quickack, deferred accept, spin")
    parser.add_argument("--no-benchmarks", action="store_true")
    chosen = parser.parse_args()
    keys: dict = {"splice": chosen.splice}
    if chosen.options == "on":
        keys["tcp"] = {"defer_accept": "1s", "quickack": False}
    runtime = {"spin": True} if chosen.options == "on" else {}
    print(f"soak: {chosen.minutes:g} minutes, seed {chosen.seed}", flush=True)
    wrong = read_http(chosen.seed)
    wrong += soak(chosen.minutes, chosen.seed, keys, runtime)
    print("soak:", "fine" if not wrong else "; ".join(wrong), flush=True)
    if not chosen.no_benchmarks:
        code = subprocess.run([sys.executable, "-m", "benchmarks.compare", "--full", "--write"], check=False).returncode
        wrong += ["the comparison failed"] if code else []
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
