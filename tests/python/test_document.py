# SPDX-License-Identifier: MIT
"""The examples of the document that the interface comes from, as they stand there, but for the
number of the port: a test has a server of its own, which is not at 6379."""

import os
import re

import pytest
from conftest import BACKEND
from servers import Bridge

import faciliter_lib.cache as fc

CERTS = os.environ.get("FAC_PY_CERTS")

STARTUP = '''
# app startup
from faciliter_lib.cache.cache_manager import set_cache

# Prefer environment-driven initialization; set_cache() will read
# `CACHE_BACKEND` and provider-specific env vars and auto-detect clients.
set_cache()

# Later in app code
from faciliter_lib.cache.cache_manager import cache_get, cache_set
cache_set("user:123", {"name": "Alice"}, ttl=300)
user = cache_get("user:123")
'''

REDIS = '''
from faciliter_lib.cache.redis_cache import RedisCache
from faciliter_lib.cache.redis_config import RedisConfig
from faciliter_lib.cache.cache_manager import set_cache, cache_get, cache_set

cfg = RedisConfig(host="localhost", port=6379, db=0)
cache = RedisCache.from_config(cfg)
set_cache(provider="redis", config=cfg)

cache_set("user:123", {"name": "Alice"}, ttl=300)
user = cache_get("user:123")
'''

VALKEY = '''
from faciliter_lib.cache.valkey_cache import ValkeyCache
from faciliter_lib.cache.valkey_config import ValkeyConfig
from faciliter_lib.cache.cache_manager import set_cache, cache_get, cache_set

cfg = ValkeyConfig(url="https://valkey.example.com", api_key="YOUR_KEY")
cache = ValkeyCache.from_config(cfg)
set_cache(provider="valkey", config=cfg)

cache_set("session:abc", "some-value", ttl=600)
value = cache_get("session:abc")
'''

POOL = '''
from faciliter_lib.cache.redis_config import RedisConfig
from faciliter_lib.cache.redis_cache import RedisCache

# Programmatic configuration
config = RedisConfig(
    host="localhost",
    port=6379,
    max_connections=100,        # Pool size
    retry_on_timeout=True       # Retry failed connections
)
cache = RedisCache(config=config)
'''

HEALTH = '''
from faciliter_lib.cache.cache_manager import get_cache

cache = get_cache()
if cache and cache.health_check():
    print("Cache server is healthy")
else:
    print("Cache server is unavailable")
'''

CLEANUP = '''
cache = RedisCache()
try:
    cache.connect()
    # ... use cache
finally:
    cache.close()  # Cleanup connection pool
'''


@pytest.fixture
def run(server):
    def run(example, port=server.port, **names):
        exec(re.sub(r"\b6379\b", str(port), example), names)
        return names

    return run


@pytest.fixture
def environment(server):
    os.environ[f"{BACKEND.upper()}_PORT"] = str(server.port)


@pytest.mark.parametrize("backend", [None, "auto", BACKEND])
def test_startup(run, environment, server, backend):
    if backend:
        os.environ["CACHE_BACKEND"] = backend
    assert run(STARTUP)["user"] == {"name": "Alice"}
    assert server.ask("GET", "cache:user:123") == b'{"name": "Alice"}'
    assert 1 <= server.ask("TTL", "cache:user:123") <= 300
    assert fc.cache_delete("user:123") is True


def test_startup_without_a_server(run, refusing_port):
    os.environ.update(REDIS_PORT=str(refusing_port), REDIS_TIMEOUT="1")
    assert run(STARTUP)["user"] is None


def test_explicit_redis_cache_instance(run, server):
    names = run(REDIS)
    assert names["user"] == {"name": "Alice"}
    assert server.ask("GET", "cache:user:123") == b'{"name": "Alice"}'
    assert names["cache"].get("user:123") == {"name": "Alice"}
    assert names["set_cache"](names["cache"]) is True
    assert fc.get_cache() is names["cache"]
    names["cache"].delete("user:123")


@pytest.mark.parametrize("key", ["YOUR_KEY", "ANOTHER_KEY"])
def test_valkey_over_https(run, server, key):
    """As it stands, but for the host, and whom to believe; the key is YOUR_KEY."""
    if not CERTS:
        with pytest.raises(fc.CacheConfigError, match="https://") as caught:
            run(VALKEY)
        assert "YOUR_KEY" not in str(caught.value)
        return
    bridge = Bridge(server, key, CERTS)
    trusting = f'"YOUR_KEY", extra={{"tls_ca_file": "{CERTS}/ca.pem"}}'
    example = VALKEY.replace("valkey.example.com", f"127.0.0.1:{bridge.port}")
    names = run(example.replace('"YOUR_KEY"', trusting))
    if key == "YOUR_KEY":
        assert names["value"] == "some-value"
        assert server.ask("GET", "cache:session:abc") == b'"some-value"'
        assert fc.cache_delete("session:abc") is True
    else:
        assert names["value"] is None
        assert server.ask("GET", "cache:session:abc") is None
    fc.close_cache()
    bridge.stop()


def test_valkey_as_the_backend(run, server):
    """The same example with a server that can be reached."""
    url = f"valkey://127.0.0.1:{server.port}"
    names = run(VALKEY.replace("https://valkey.example.com", url).replace(', api_key="YOUR_KEY"', ""))
    assert names["value"] == "some-value"
    assert server.ask("GET", "cache:session:abc") == b'"some-value"'
    fc.cache_delete("session:abc")


def test_pool(run, server):
    cache = run(POOL)["cache"]
    assert cache.stats()["connects"] == 0
    assert cache.health_check() is True
    assert cache.health()["max_connections"] == 100
    cache.close()


def test_health(run, environment, own_server, make_config, capsys):
    run(HEALTH)
    fc.set_cache(config=make_config(own_server, timeout=2))
    run(HEALTH)
    own_server.kill()
    run(HEALTH)
    assert capsys.readouterr().out.splitlines() == [
        "Cache server is unavailable", "Cache server is healthy", "Cache server is unavailable",
    ]


def test_cleanup(run, server, refusing_port):
    os.environ["REDIS_PORT"] = str(server.port)
    cache = run(CLEANUP, RedisCache=fc.RedisCache)["cache"]
    with pytest.raises(fc.CacheClosedError):
        cache.get("k")
    os.environ["REDIS_PORT"] = str(refusing_port)
    with pytest.raises(fc.CacheUnavailableError):
        run(CLEANUP, RedisCache=fc.RedisCache)


def test_what_it_says_of_a_ttl(server, run):
    """Both sentences: the variable's default for a ttl that is omitted, and None persists."""
    run(REDIS)
    fc.cache_set("omitted", 1)
    fc.cache_set("none", 1, ttl=None)
    assert 1 <= server.ask("TTL", "cache:omitted") <= 3600
    assert server.ask("TTL", "cache:none") == -1
    assert "omitted" in fc.cache_set.__doc__ and "None" in fc.cache_set.__doc__
    assert fc.cache_delete_many(["omitted", "none", "user:123"]) == 3


def test_every_name_of_it():
    from faciliter_lib.cache import (  # noqa: F401
        cache_manager, redis_cache, redis_config, valkey_cache, valkey_config,
    )

    for name in ("set_cache", "get_cache", "cache_get", "cache_set", "cache_delete"):
        assert callable(getattr(cache_manager, name))
    for kind in (fc.RedisCache, fc.ValkeyCache, fc.MemoryCache):
        for name in ("from_config", "connect", "get", "set", "delete", "health_check", "close",
                     "__enter__", "__exit__"):
            assert callable(getattr(kind, name)), name
