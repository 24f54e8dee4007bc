"""One spelling for every kind of Redis, and the same place in the words of each library."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection

from scheduler.celeryapp import configuration
from scheduler.errors import ConfigurationError
from scheduler.redis_url import SCHEMES, parse
from scheduler.settings import AMQP_SCHEMES, Settings
from scheduler.storage.client import connect

SENTINELS = "sentinel://ann:p%40ss@a:26379,b,[::1]:26380/mymaster/3"


def test_plain_redis_is_spelled_alike_everywhere() -> None:
    place = parse("redis://ann:p%40ss@h:6380/2")
    assert place.broker_url == place.redbeat_url == "redis://ann:p%40ss@h:6380/2"
    assert place.celery()["broker_transport_options"] == {}
    assert "broker_use_ssl" not in place.celery()


def test_a_socket_keeps_its_database_and_password_for_each_library() -> None:
    place = parse("unix://ann:p%40ss@/run/my%20redis.sock?db=2")
    assert place.broker_url == "redis+socket://ann:p%40ss@/run/my%20redis.sock?virtual_host=2"
    assert place.redbeat_url == "unix://ann:p%40ss@/run/my%20redis.sock?db=2"
    assert place.shown == "unix:///run/my redis.sock?db=2"


def test_several_sentinels_and_the_service_stand_in_one_url() -> None:
    place = parse(SENTINELS)
    assert place.hosts == (("a", 26379), ("b", 26379), ("::1", 26380))
    assert (place.service, place.db) == ("mymaster", 3)
    assert place.shown == "sentinel://a:26379,b,[::1]:26380/mymaster/3"
    assert place.broker_url == ";".join(
        f"sentinel://ann:p%40ss@{host}/3" for host in ("a:26379", "b:26379", "[::1]:26380")
    )
    celery = place.celery()
    assert celery["broker_transport_options"]["master_name"] == "mymaster"
    assert celery["result_backend_transport_options"]["master_name"] == "mymaster"
    assert celery["redbeat_redis_url"].startswith("redis-sentinel")
    assert celery["redbeat_redis_options"]["sentinels"] == [("a", 26379), ("b", 26379), ("::1", 26380)]


def test_the_sentinels_may_want_a_password_of_their_own() -> None:
    place = parse("sentinel://:redis@a/mymaster?sentinel_password=other")
    assert place.login == {"password": "redis"}
    assert place.sentinel_options["password"] == "other"
    assert "redis" not in place.sentinel_options.values()


@pytest.mark.parametrize("scheme", ["rediss://h:6380/0", "sentinel+tls://h/mymaster/0"])
def test_tls_checks_the_certificate_unless_told_otherwise(scheme: str) -> None:
    place = parse(f"{scheme}?ssl_ca_certs=/etc/ca.pem")
    assert place.tls == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/etc/ca.pem"}
    celery = place.celery()
    assert celery["broker_use_ssl"] == celery["redis_backend_use_ssl"] == celery["redbeat_redis_use_ssl"] == place.tls
    assert "ssl" not in celery["broker_url"].removeprefix("rediss")


def test_an_unchecked_certificate_is_the_operators_explicit_wish() -> None:
    place = parse("rediss://h?ssl_cert_reqs=none")
    assert place.tls == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


@pytest.mark.parametrize("url", ["redis://:s3cret@h", "sentinel://:s3cret@h/m?sentinel_password=s3cret"])
def test_a_password_is_not_part_of_what_is_shown(url: str) -> None:
    assert "s3cret" not in repr(parse(url)) + parse(url).shown


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("redis://db.example/0", True),
        ("redis://ann:secret@db.example/0", False),
        ("rediss://db.example/0?ssl_certfile=/c.pem&ssl_keyfile=/k.pem", False),
        ("rediss://db.example/0", True),
        ("redis://localhost/0", False),
        ("redis://127.0.0.2/0", False),
        ("redis://[::1]/0", False),
        ("unix:///run/r.sock", False),
        ("sentinel://localhost,db.example/m", True),
    ],
)
def test_a_redis_for_everybody_on_the_network_is_told_from_others(url: str, is_open: bool) -> None:
    assert parse(url).is_open == is_open


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("redis://h", True),
        ("redis://h:6379", True),
        ("redis://h:6379/0", True),
        ("redis://h/1", False),
        ("redis://:x@h/0", False),
        ("amqp://h", False),
    ],
)
def test_the_same_redis_is_known_in_another_spelling(url: str, same: bool) -> None:
    assert parse("redis://h/0").is_also(url) == same


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis-cluster://h", "Redis Cluster is not supported, because one step writes keys of several slots"),
        ("redis+cluster://h", "Redis Cluster is not supported"),
        ("sentinel://a,b", "has no service name: write sentinel://host:26379,host:26379/service/0"),
        ("redis://h?ssl_ca_certs=/ca", "ssl_ca_certs, an option of TLS: start it with rediss:// or sentinel+tls://"),
        ("redis://h?sokcet_timeout=1", "has the unknown option 'sokcet_timeout': use db,"),
        ("redis://h:port/0", "has an invalid host or port 'h:port'"),
        ("redis://h/zero", "has an invalid database 'zero': use a number"),
        ("rediss://h?ssl_cert_reqs=yes", "has an invalid ssl_cert_reqs: use required, optional or none"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(url)
    assert complaint in str(caught.value)


PIECES = st.sampled_from([
    "h", "[::1]", "[", "]", ":", "@", "/", "?", "#", "%", "%zz", "%40", "%5B", "6379", "99999", "-1", "db=", "&",
    "user", "pa[ss", "virtual_host=2", ",", "ssl_cert_reqs=none", "²", "\x00", "\ud800", " ", "\n", "é", "heartbeat=x",
])  # fmt: skip
SCHEME = st.sampled_from([*SCHEMES, *AMQP_SCHEMES, "", "http"])


@given(SCHEME, st.lists(PIECES, max_size=6).map("".join))
def test_any_url_is_understood_by_every_library_or_refused(scheme: str, rest: str) -> None:
    url = f"{scheme}://{rest}"
    for environ in ({"SCHEDULER_REDIS_URL": url}, {"SCHEDULER_BROKER_URL": url}):
        try:
            made = Settings.from_environ(environ)
        except ConfigurationError:
            continue
        options = configuration(made)
        Connection(options["broker_url"]).as_uri()  # type: ignore[no-untyped-call]
        connect(made).close()
        assert made.shown_redis_url


PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@given(PASSWORDS, st.sampled_from(["redis://:{}@h/0", "sentinel://:{}@a,[::1]:26380/main/0", "amqp://me:{}@h//"]))
def test_a_password_reaches_its_server_as_it_is_with_any_character_that_is_percent_encoded(word: str, url: str) -> None:
    url = url.format(quote(word, safe="[]()!*$'"))
    made = Settings.from_environ({"SCHEDULER_BROKER_URL": url} if "amqp" in url else {"SCHEDULER_REDIS_URL": url})
    sent_to = Connection(configuration(made)["broker_url"].split(";")[0])  # type: ignore[no-untyped-call]
    assert sent_to.password == word


@pytest.mark.parametrize("password", ["se/cret", "se?cret", "se#cret", "se/cr:et", "se?db=cret"])
def test_no_part_of_a_password_is_in_the_refusal_of_a_url_that_is_cut_by_it(password: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(f"redis://:{password}@h:6379/0")
    assert "%2F" in str(refused.value)
    assert "cr" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("redis://localhost:6379/0", "redis-cli"),
        ("redis://:secret@127.0.0.1:6380/1", "redis-cli -p 6380 --askpass"),
        ("rediss://ann:secret@redis.example/0", "redis-cli -h redis.example --tls --user ann --askpass"),
        ("unix:///run/my redis.sock", "redis-cli -s '/run/my redis.sock'"),
        ("sentinel://one,two/service/0", "redis-cli"),
    ],
)
def test_a_remedy_names_redis_cli_for_this_redis_and_no_password(url: str, command: str) -> None:
    assert parse(url).command_line == command
