"""What wrk says becomes figures, and every kind of failure spoils a run."""

import pytest

from benchmarks import web, web_latency, web_proxies
from benchmarks.measure import MeasureError
from benchmarks.parts import GROUPS, chosen

SAID = """Running 2s test @ http://127.0.0.1:1/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    10.09ms    1.12ms  25.04ms   80.00%
    Req/Sec     5.53k   500.00     6.00k    70.00%
  Latency Distribution
     50%  980.00us
     75%    1.50ms
     90%    2.00ms
     99%    1.20s
  11068 requests in 2.00s, 1.50MB read
Requests/sec:   5533.70
Transfer/sec:    768.00KB
"""


def test_a_clean_run_gives_units_bytes_percentiles_and_its_length() -> None:
    assert web.counts_of(SAID) == {"units": 11068, "bytes": 3 << 19, "errors": 0}
    assert web.percentiles_of(SAID) == {"50": 980.0, "75": 1500.0, "90": 2000.0, "99": 1_200_000.0}
    assert web.seconds_of(SAID) == 2.0


@pytest.mark.parametrize(
    ("line", "n_errors"),
    [("  Socket errors: connect 1, read 2, write 3, timeout 4\n", 10), ("  Non-2xx or 3xx responses: 7\n", 7)],
)
def test_errors_of_any_kind_are_counted(line: str, n_errors: int) -> None:
    assert web.counts_of(SAID.replace("Requests/sec", line + "Requests/sec"))["errors"] == n_errors


def test_something_else_than_a_report_is_an_error() -> None:
    with pytest.raises(MeasureError, match="unable to connect"):
        web.counts_of("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_http_is_a_group_of_workloads_whose_proxies_exist() -> None:
    assert list(chosen(["http"], False)) == list(GROUPS["http"]) == [*(row.key for row in web.ROWS), web_latency.KEY]
    names = {kind.name for kind in web_proxies.ALL}
    assert all(set(row.compares) <= names for row in web.ROWS)


def test_a_log_of_h2load_gives_sorted_times_and_no_failed_request_passes() -> None:
    log = "1795318918919700\t200\t300\n1795318918919635\t204\t100\n1795318918919640\t200\t200\n"
    times = web_latency.times_of(log)
    assert times == [100, 200, 300]
    assert (web_latency.at(times, 0.5), web_latency.at(times, 0.99)) == (200.0, 300.0)
    for spoilt in (log + "1795318918919650\t503\t10\n", ""):
        with pytest.raises(MeasureError):
            web_latency.times_of(spoilt)
