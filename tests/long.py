"""`python -m tests.long`: what takes too long for each change. Soak, then the full comparison of benchmarks.

The soak mixes short and lasting sessions with checked bytes, a reload every five seconds and a random fault every two,
and watches memory, descriptors and sums. It prints its seed; `--seed` repeats it.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.tools.changes import changing_config
from tests.tools.leaks import unbalanced
from tests.tools.nginy_process import Nginy
from tests.tools.proc import descriptors, resident_bytes
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import wait_until

RELOAD_EVERY_S = 5.0
FAULT_EVERY_S = 2.0
SLOPE_MAX_BYTES_PER_H = 1 << 20
WARM_UP_SHARE = 0.5
JUDGED_FROM_S = 900.0  # in a shorter run the slope is the warm-up's


def kill_one_worker(nginy: Nginy, chance: random.Random) -> str:
    """Only while all live: the promise is about one of several."""
    workers = nginy.workers()
    if any(row["state"] != "serving" for row in workers):
        return "a worker is missing already"
    victim = chance.choice(workers)
    os.kill(victim["pid"], signal.SIGKILL)
    return f"SIGKILL of worker {victim['slot']}"


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


def total_resident(nginy: Nginy) -> int:
    """Of control: workers are replaced all the time."""
    return resident_bytes(nginy.pid)


def slope_bytes_per_h(samples: list[tuple[float, int]]) -> float:
    """Least squares over what came after the warm-up."""
    tail = samples[int(len(samples) * WARM_UP_SHARE) :]
    mean_t = sum(t for t, _ in tail) / len(tail)
    mean_b = sum(b for _, b in tail) / len(tail)
    spread = sum((t - mean_t) ** 2 for t, _ in tail)
    return sum((t - mean_t) * (b - mean_b) for t, b in tail) / spread * 3600 if spread else 0.0


def soak(minutes: float, seed: int) -> list[str]:
    """What went wrong."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        backends = [stack.enter_context(EchoBackend()) for _ in range(4)]
        addresses = [peer.address for peer in backends[:3]]

        def config(turn: int) -> dict:
            return changing_config(turn, addresses, backends[3].address, workers=2)

        nginy = Nginy(config(0)).start()
        stack.callback(nginy.clean_up)
        traffic = stack.enter_context(Traffic(seed))
        traffic.short(nginy.address(), at_once=8)
        samples = run_soak(nginy, traffic, config, minutes, chance)
        return judge(nginy, traffic, samples, config(0))


def run_soak(nginy: Nginy, traffic: Traffic, config, minutes: float, chance: random.Random) -> list[tuple[float, int]]:
    start_s = time.monotonic()
    next_reload_s, next_fault_s, turn = start_s + RELOAD_EVERY_S, start_s + FAULT_EVERY_S, 0
    samples = []
    while (now_s := time.monotonic()) < start_s + minutes * 60:
        if now_s >= next_reload_s:
            turn, next_reload_s = turn + 1, now_s + RELOAD_EVERY_S
            nginy.reload(config(turn))
            traffic.lasting(nginy.address(), 1)
            tally = traffic.tally
            print(f"{now_s - start_s:6.0f} s  {tally.done} sessions, {tally.lasting_live} lasting", flush=True)
        if now_s >= next_fault_s:
            next_fault_s = now_s + FAULT_EVERY_S
            print(f"{now_s - start_s:6.0f} s  {chance.choice(FAULTS)(nginy, chance)}", flush=True)
        samples.append((now_s, total_resident(nginy)))
        time.sleep(0.2)
    return samples


def judge(nginy: Nginy, traffic: Traffic, samples: list[tuple[float, int]], rest: dict) -> list[str]:
    wrong = []
    wait_until(lambda: all(row["state"] == "serving" for row in nginy.workers()), "all workers are back")
    tally = traffic.stop()
    nginy.reload(rest)
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "every session has ended")
    died = nginy.reasons().get("worker_died", 0)
    if tally.refused:
        wrong.append(f"{len(tally.refused)} refused, first {tally.refused[0]}")
    if len(tally.broken) > died:
        wrong.append(f"{len(tally.broken)} broken, {died} died with their workers; first {tally.broken[0]}")
    if off := unbalanced(nginy.status()):
        wrong.append(f"accepted is not live + reasons: {off}")
    slope = slope_bytes_per_h(samples)
    if slope > SLOPE_MAX_BYTES_PER_H and samples[-1][0] - samples[0][0] > JUDGED_FROM_S:
        wrong.append(f"control's memory grows by {slope / 2**20:.1f} MiB an hour")
    print(
        f"{tally.done} short sessions, {tally.lasting_rounds} rounds of lasting ones, {died} died with their workers, "
        f"connect + first byte p99.9 {tally.percentile_ms(0.999):.1f} ms, slope {slope / 2**20:+.2f} MiB/h, "
        f"{sum(descriptors(nginy.pid).values())} descriptors in control"
    )
    if nginy.stop() != 0:
        wrong.append("it did not end with 0")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of soak (default 20)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--no-benchmarks", action="store_true")
    chosen = parser.parse_args()
    print(f"soak: {chosen.minutes:g} minutes, seed {chosen.seed}", flush=True)
    wrong = soak(chosen.minutes, chosen.seed)
    print("soak:", "fine" if not wrong else "; ".join(wrong), flush=True)
    if not chosen.no_benchmarks:
        code = subprocess.run([sys.executable, "-m", "benchmarks.compare", "--full", "--write"], check=False).returncode
        wrong += ["the comparison failed"] if code else []
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
