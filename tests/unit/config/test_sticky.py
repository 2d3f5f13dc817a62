"""Sticky cookies and headers that tell of load: what may be written, and secrets from files."""

import os
from pathlib import Path
from typing import Any

import pytest

from nginy.config import load_config, parse_config, to_yaml
from nginy.errors import ConfigError, ConfigProblem

from .marked import Bad, check, pool, refused

GOOD = "sixteen bytes ok"
BAD = [
    pool("sticky: §cookie", ".sticky", "it is called `insert` here"),
    pool("§sticky: prefix", ".sticky.name", "this key is missing"),
    pool("sticky: {kind: insert, name: §'a b'}", ".sticky.name", "'a b' is not a name"),
    pool("sticky: {kind: insert, name: §'a=b'}", ".sticky.name", "'a=b' is not a name"),
    pool(f"sticky: {{kind: insert, name: §{'n' * 33}}}", ".sticky.name", "is longer than 32"),
    pool("sticky: {kind: insert, §secret: abc}", ".sticky.secret", "it is called `secret_file` here"),
    pool("sticky: {kind: insert, max_age: §1.5s}", ".sticky.max_age", "cookies count whole seconds"),
    pool("sticky: {kind: insert, same_site: §none}", ".sticky.same_site", "with `secure: on` alone"),
    pool("sticky: {kind: insert, same_site: §strictly}", ".sticky.same_site", "expected one of `lax`"),
    pool("sticky: {kind: prefix, name: sid, §secure: on}", ".sticky.secure", "`secure` goes with `kind: insert`"),
    pool("load_header: §Content-Length", ".load_header", "Content-Length says something else"),
    pool("load_header: §set-cookie", ".load_header", "set-cookie says something else"),
    pool("load_header: §'X Load'", ".load_header", "'X Load' is not a name"),
    pool("sticky: §{kind: insert}", ".sticky", "(`protocol: tcp`) leads here, and has no cookies"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.path} {bad.says[:30]}")
def test_what_cannot_be_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)


def tree(sticky: Any = "insert", **listener: Any) -> dict[str, Any]:
    front = {"bind": ":0", "protocol": "http", "pool": "p", **listener}
    return {"pools": {"p": {"backends": ["a:1"], "sticky": sticky}}, "listeners": {"l": front}}


def written(path: Path, content: bytes = GOOD.encode(), mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_secret_is_read_without_the_new_line_at_its_end_and_never_told(tmp_path: Path) -> None:
    files = [written(tmp_path / "a"), written(tmp_path / "b", f"{GOOD}\r\n".encode())]
    configs = [parse_config(tree({"kind": "insert", "secret_file": path})) for path in files]
    secrets = [config.pools["p"].sticky.secret for config in configs if config.pools["p"].sticky]
    assert secrets == [GOOD.encode()] * 2
    for config in configs:
        assert GOOD not in repr(config) and GOOD not in to_yaml(config) and GOOD not in str(config.model_dump())


def test_a_secret_that_has_changed_is_another_configuration(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    before = parse_config(tree({"kind": "prefix", "name": "sid", "secret_file": path}))
    assert before == parse_config(tree({"kind": "prefix", "name": "sid", "secret_file": path}))
    written(tmp_path / "a", b"another sixteen bytes")
    assert before != parse_config(tree({"kind": "prefix", "name": "sid", "secret_file": path}))


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"fifteen bytes..", 0o600, "holds 15 bytes; a secret has 16 to 4096 (make one with:"),
        (b"\n" * 40, 0o600, "holds 0 bytes"),
        (b"x" * 4097, 0o600, "holds more"),
        (b"x" * 32, 0o604, "is open to others (mode 604) (chmod 600"),
        (b"x" * 32, 0o602, "is open to others (mode 602)"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, mode: int, says: str) -> None:
    path = written(tmp_path / "a", content, mode)
    (said,) = refused(tree({"kind": "insert", "secret_file": path}))
    assert said.startswith(f"<config>: pools.p.sticky.secret_file: {path} ")
    assert says in said


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (said,) = refused(tree({"kind": "insert", "secret_file": str(tmp_path / "none")}))
    assert "none cannot be read: No such file or directory (make one with:" in said
    os.mkfifo(tmp_path / "pipe", 0o600)  # nobody waits for its other end
    (said,) = refused(tree({"kind": "insert", "secret_file": str(tmp_path / "pipe")}))
    assert said.endswith("pipe is no file")


def test_a_path_is_relative_to_the_file_and_stands_in_the_dump(tmp_path: Path) -> None:
    written(tmp_path / "key")
    (tmp_path / "nginy.yaml").write_text(to_yaml_text("{kind: insert, secret_file: key}"))
    config = load_config(tmp_path / "nginy.yaml")
    assert config.pools["p"].sticky is not None and config.pools["p"].sticky.secret == GOOD.encode()
    assert parse_config(to_yaml(config)) == config


def to_yaml_text(sticky: str) -> str:
    front = "listeners: {l: {bind: ':0', protocol: http, pool: p}}"
    return f"pools: {{p: {{backends: ['a:1'], sticky: {sticky}}}}}\n{front}\n"


def test_a_drawn_secret_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "nginy.yaml").write_text(to_yaml_text("insert"))
    warnings: list[ConfigProblem] = []
    assert load_config(tmp_path / "nginy.yaml", warnings=warnings).pools["p"].sticky is not None
    (warning,) = warnings
    assert "pools.p.sticky: without `secret_file` cookies mean nothing to other machines" in str(warning)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_pool_with_sticky_cookies_serves_http_alone(protocol: str) -> None:
    (said,) = refused(tree(protocol=protocol))
    assert f"the listener 'l' (`protocol: {protocol}`) leads here, and has no cookies" in said
    assert "write `protocol: http` there" in said


def test_a_group_has_no_cookies_of_its_own() -> None:
    given = tree()
    given["pools"]["g"] = {"of": ["p"], "sticky": "insert"}
    with pytest.raises(ConfigError, match="a pool with `of` is a group, which has no `sticky` of its own"):
        parse_config(given)
