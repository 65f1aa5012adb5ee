# SPDX-License-Identifier: MIT
"""Configuration: fields, the environment, what is shown, and what is refused."""

import dataclasses
import os
import pickle

import pytest

import faciliter_lib.cache as fc
from faciliter_lib.cache._config import describe, pair, setting_text
from faciliter_lib.cache.memory_config import MemoryConfig
from faciliter_lib.cache.redis_config import RedisConfig
from faciliter_lib.cache.valkey_config import ValkeyConfig

SERVER_CONFIGS = [RedisConfig, ValkeyConfig]

# Every variable of the document, a value, and the field that gets it.
VARIABLES = [
    ("HOST", "cache.internal", "host", "cache.internal"), ("PORT", "7000", "port", 7000),
    ("DB", "3", "db", 3), ("PASSWORD", "s3cret", "password", "s3cret"),
    ("MAX_CONNECTIONS", "7", "max_connections", 7),
    ("RETRY_ON_TIMEOUT", "off", "retry_on_timeout", False), ("TIMEOUT", "0.25", "timeout", 0.25),
    ("CACHE_TTL", "60", "ttl", 60), ("PREFIX", "app:", "prefix", "app:"),
]


@pytest.mark.parametrize("config_class", SERVER_CONFIGS + [MemoryConfig])
def test_defaults_are_the_librarys(config_class):
    rows = describe((pair("provider", config_class.provider),), True)
    library = {name: value for name, value, _source, _variable, _help in rows}
    for field in dataclasses.fields(config_class):
        if field.name in ("extra", "api_key"):
            continue
        default = "" if field.default is None else setting_text(field.default)
        assert library[field.name] == default, field.name


def test_the_documents_defaults():
    config = RedisConfig()
    assert (config.host, config.port, config.db, config.password) == ("localhost", 6379, 0, None)
    assert (config.max_connections, config.retry_on_timeout, config.timeout) == (50, True, 4)
    assert (config.ttl, config.prefix) == (3600, "cache:")


@pytest.mark.parametrize("config_class", SERVER_CONFIGS)
@pytest.mark.parametrize("variable, text, field, value", VARIABLES)
def test_each_variable_is_read(config_class, variable, text, field, value):
    os.environ[f"{config_class.provider.upper()}_{variable}"] = text
    config = config_class.from_env()
    assert getattr(config, field) == value
    assert type(getattr(config, field)) is type(value)
    assert config == config_class(**{field: value})


@pytest.mark.parametrize("variable, text, field, value", VARIABLES)
def test_valkey_falls_back_to_redis_and_redis_never_to_valkey(variable, text, field, value):
    os.environ[f"REDIS_{variable}"] = text
    assert getattr(ValkeyConfig.from_env(), field) == value
    os.environ[f"VALKEY_{variable}"] = os.environ.pop(f"REDIS_{variable}")
    assert RedisConfig.from_env() == RedisConfig()


def test_the_environment_is_read_when_asked_only():
    os.environ.update(REDIS_HOST="first", REDIS_PASSWORD="one")
    config = RedisConfig.from_env()
    os.environ.update(REDIS_HOST="second", REDIS_PASSWORD="two")
    assert (config.host, config.password) == ("first", "one")
    assert RedisConfig().host == "localhost"


def test_urls_sockets_and_files():
    os.environ["REDIS_URL"] = "redis://user:pw@h:7000/2"
    config = RedisConfig.from_env()
    assert config == RedisConfig(url="redis://user:pw@h:7000/2")
    del os.environ["REDIS_URL"]
    os.environ.update(REDIS_UNIX_SOCKET="/run/x", REDIS_PASSWORD_FILE="/run/pw", REDIS_CACHE_TTL="none")
    assert RedisConfig.from_env() == RedisConfig(
        unix_socket="/run/x", password_file="/run/pw", ttl=None
    )


def test_memory_has_its_own():
    os.environ.update(CACHE_MEMORY_BYTES="1MiB", CACHE_PREFIX="m:", CACHE_TTL="5")
    assert MemoryConfig.from_env() == MemoryConfig(prefix="m:", ttl=5, memory_bytes="1MiB")


def test_repr_shows_no_secret():
    config = RedisConfig(host="h", password="s3cret", ttl=None)
    assert repr(config) == "RedisConfig(host='h', ttl=None, password='********')"
    config = ValkeyConfig(url="valkey://user:s3cret@h/1", extra={"x": "s3cret"})
    assert repr(config) == "ValkeyConfig(url='valkey://********@h/1')"
    config = ValkeyConfig(url="https://h", api_key="s3cret")
    assert "s3cret" not in repr(config) and "s3cret" not in str(config)
    cache = fc.RedisCache(RedisConfig(port=1, password="s3cret"))
    assert "s3cret" not in repr(cache)


@pytest.mark.parametrize("config_class", SERVER_CONFIGS)
@pytest.mark.parametrize(
    "fields, words",
    [({"port": 0}, "port"), ({"port": 65536}, "port"), ({"db": -1}, "db"), ({"host": ""}, "host"),
     ({"ttl": 0}, "ttl"), ({"timeout": 0}, "timeout"), ({"timeout": "fast"}, "timeout"),
     ({"max_connections": 0}, "max_connections"), ({"prefix": "x" * 300}, "prefix"),
     ({"retry_on_timeout": "maybe"}, "retry_on_timeout"), ({"url": "ftp://h"}, "url"),
     ({"url": "redis://h", "host": "other"}, "exclude"), ({"password": "a", "password_file": "b"}, "exclude"),
     ({"host": "a\0b"}, "NUL"), ({"api_key": "k"}, "https"),
     ({"api_key": "k", "url": "redis://h"}, "https"), ({"extra": {"nonsense": 1}}, "nonsense")],
)
def test_what_cannot_be_right_is_refused_before_anything_connects(config_class, fields, words):
    kind = {"redis": fc.RedisCache, "valkey": fc.ValkeyCache}[config_class.provider]
    with pytest.raises(fc.CacheConfigError, match=words) as caught:
        kind(config_class(**fields))
    assert isinstance(caught.value, ValueError)
    with pytest.raises(fc.CacheConfigError, match=words):
        fc.set_cache(config=config_class(**fields))


@pytest.mark.parametrize(
    "variable, text", [("REDIS_PORT", "x"), ("REDIS_TIMEOUT", "-1"), ("REDIS_CACHE_TTL", "0"),
                       ("REDIS_DB", "1.5"), ("REDIS_RETRY_ON_TIMEOUT", "2")],
)
def test_an_unreadable_variable_is_named(variable, text):
    os.environ[variable] = text
    for attempt in (RedisConfig.from_env, ValkeyConfig.from_env, fc.RedisCache, fc.set_cache,
                    lambda: fc.set_cache(provider="redis")):
        with pytest.raises(fc.CacheConfigError, match=variable):
            attempt()


def test_a_field_has_a_type():
    for value in ([], {}, b"x", object()):
        with pytest.raises(TypeError, match=type(value).__name__):
            fc.RedisCache(RedisConfig(host=value))
    with pytest.raises(TypeError, match="unknown"):
        RedisConfig(unknown=1)
    with pytest.raises(TypeError, match="RedisConfig"):
        fc.RedisCache("localhost")
    with pytest.raises(TypeError):
        fc.MemoryCache(RedisConfig())


def test_extra_reaches_the_library():
    with pytest.raises(fc.CacheConfigError, match="timeout"):
        fc.RedisCache(RedisConfig(extra={"timeout": "nonsense"}))


def test_a_config_can_be_sent_and_a_cache_cannot():
    config = RedisConfig(host="h", password="p")
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(TypeError, match="config"):
        pickle.dumps(fc.RedisCache(config))


def test_constructing_reads_no_environment_and_connects_nowhere(refusing_port):
    os.environ["REDIS_PORT"] = "nonsense"
    cache = fc.RedisCache(config=RedisConfig(host="127.0.0.1", port=refusing_port))
    assert cache.stats()["connects"] == cache.stats()["connect_failures"] == 0
    same = fc.RedisCache.from_config(cache.config)
    assert same.config is cache.config
    assert type(same) is fc.RedisCache


def test_https_says_that_it_is_not_built_or_works():
    """Until the library has the transport, the error is its own; with it, nobody answers there."""
    config = ValkeyConfig(url="https://127.0.0.1:1", api_key="YOUR_KEY")
    try:
        cache = fc.ValkeyCache.from_config(config)
    except fc.CacheConfigError as error:
        assert "https://" in str(error) and error.status == "FAC_E_UNSUPPORTED"
        return
    with pytest.raises(fc.CacheUnavailableError):
        cache.connect()
