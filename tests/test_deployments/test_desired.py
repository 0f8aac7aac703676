"""What a server should hold, as data: prefect.yaml, and limits as wide as the pools."""

import inspect
import shlex
import sys
import tomllib
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import yaml
from prefect import states
from prefect.server.events.schemas.automations import EventTrigger as ServerTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from deployments import desired
from flows.served import Served
from tasks.runtime.leaving import LEFT
from weightstream.config import Config
from weightstream.errors import ConfigError


def by_name(**threading):
    config = Config.model_validate({"threading": threading})
    return {limit.name: limit for limit in desired.limits(config, Served())}


def test_a_schedule_that_is_no_cron_expression_is_one_sentence():
    for wrong in ("*/5 * * *", "every day", "61 * * * *"):
        config = Config.model_validate({"schedule": {"inbox": wrong}})
        with pytest.raises(ConfigError, match=r"schedule\.inbox = .* is no cron expression"):
            desired.deployments(config, Served())


def test_stores_of_one_server_share_its_limits():
    config = Config.model_validate({"threading": {"user_pool_size": 5}})
    (limit,) = [one for one in desired.limits(config, Served("clinic")) if one.name == "tag:kalman"]
    assert limit.slots == 5  # where there is none yet
    assert 8 in limit.accepted
    assert 0 not in limit.accepted


def test_limits_are_the_widths_of_the_pools(monkeypatch):
    monkeypatch.setattr("tasks.runtime.pool_sizes.free_memory_mb", lambda: 1_000_000.0)
    limits = by_name(user_pool_size=5, viz_pool_size=7, retro_pool_size=3)
    slots = {name: limit.slots for name, limit in limits.items()}
    assert slots == {
        "tag:ingest": 1,
        "tag:kalman": 5,
        "tag:db-write": 1,
        "tag:retro": 3,
        "tag:viz": 7,
        "viz-memory": 700,
    }
    assert all(limit.accepted.start == limit.slots for limit in limits.values())


def test_an_automatic_pool_has_a_limit_too(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert by_name(user_pool_size=0)["tag:kalman"].slots == 6


def test_where_memory_bounds_drawing_the_limit_may_be_narrower(monkeypatch):
    monkeypatch.setattr("tasks.runtime.pool_sizes.free_memory_mb", lambda: 1_000.0)
    drawing = by_name(memory={"viz_memory_limit_mb": 100})["tag:viz"]
    assert drawing.slots == 5
    assert set(range(1, 17)) == set(drawing.accepted)
    memory = by_name(memory={"viz_memory_limit_mb": 100})["viz-memory"]
    assert memory.slots == 500
    assert 1_600 in memory.accepted
    assert 0 not in memory.accepted


@pytest.fixture(scope="module")
def deployed():
    return {d.name: d for d in desired.deployments(Config(), Served())}


def test_the_deployments_of_the_contract_are_there(deployed):
    names = {"ingest/inbox", "ingest/manual", "retro/deferred", "dashboards/refresh"}
    assert names <= set(deployed)
    queues = {name: d.fields["work_queue_name"] for name, d in deployed.items()}
    assert queues.pop("retro/deferred") == "retro"
    assert set(queues.values()) == {"default"}
    retro = deployed["retro/deferred"].fields
    assert retro["concurrency_limit"] == 1
    priorities = {queue.name: queue.priority for queue in desired.QUEUES}
    assert priorities["retro"] > priorities["default"]  # the lowest is served first


def test_their_parameters_are_those_of_their_flows_and_described(deployed):
    for name, deployment in deployed.items():
        accepted = inspect.signature(deployment.flow.fn).parameters
        assert set(deployment.fields["parameters"]) <= set(accepted), name
        form = deployment.fields["parameter_openapi_schema"]["properties"]
        assert all(form[parameter].get("description") for parameter in form), name
        assert deployment.fields["description"], name


def test_a_person_cannot_be_named_in_a_parameter(deployed):
    for name, deployment in deployed.items():
        form = deployment.fields["parameter_openapi_schema"]
        assert "user" not in form["properties"], name
        assert form["additionalProperties"] is False, name


def test_no_deployment_holds_a_path_that_making_it_anew_would_lose(deployed):
    for name, deployment in deployed.items():
        assert not {"data_dir", "config"} & set(deployment.fields["parameters"]), name


def test_prefect_deploy_makes_the_same_of_prefect_yaml(deployed):
    """`prefect deploy --all` knows the file alone: what we add to it must stand there too."""
    text = (desired.ROOT / "prefect.yaml").read_text("utf-8")
    entries = {entry["name"]: entry for entry in yaml.safe_load(text)["deployments"]}
    project = tomllib.loads((desired.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert len(entries) == len(deployed)
    for deployment in deployed.values():
        entry, fields = entries[deployment.fields["name"]], deployment.fields
        assert entry["tags"] == fields["tags"]
        assert entry["version"] == fields["version"] == project["version"]
        said = [(plan["cron"], plan["timezone"]) for plan in entry.get("schedules", [])]
        made = [(plan.schedule.cron, plan.schedule.timezone) for plan in fields["schedules"]]
        assert said == made


def test_the_schedule_is_the_configuration_s():
    schedule = {"inbox": "*/2 * * * *", "dashboards": "", "timezone": "Europe/Oslo"}
    config = Config.model_validate({"schedule": schedule})
    plans = {d.name: d.fields["schedules"] for d in desired.deployments(config, Served())}
    (plan,) = plans["ingest/inbox"]
    assert (plan.schedule.cron, plan.schedule.timezone) == ("*/2 * * * *", "Europe/Oslo")
    assert plans["dashboards/refresh"] == []


def test_a_store_with_a_name_has_everything_of_its_own(deployed):
    named = Served("clinic")
    own = {d.name: d.fields for d in desired.deployments(Config(), named)}
    assert set(own) == {f"{name}-clinic" for name in deployed}
    assert not set(own) & set(deployed)
    for fields in own.values():
        assert fields["work_pool_name"] == "weightstream-clinic"
        assert fields["tags"] == ["weightstream-clinic"]
        assert fields["job_variables"]["env"]["WEIGHTSTREAM_SERVED_AS"] == "clinic"
    for deployment in deployed.values():
        assert "WEIGHTSTREAM_SERVED_AS" not in deployment.fields["job_variables"]["env"]
    assert named.variable != Served().variable
    names = [desired.crash_automation(served).name for served in (named, Served())]
    assert len(set(names)) == 2


def test_a_worker_starts_the_engine_with_settings_that_hold_whatever_the_worker_has(deployed):
    """Prefect gives a run the worker's own settings last: its port of metrics, its heartbeat."""
    for deployment in deployed.values():
        variables = deployment.fields["job_variables"]
        python, *module = shlex.split(variables["command"])[:3]
        assert python == sys.executable
        assert module == ["-m", "deployments.run_engine"]
        told = set(shlex.split(variables["command"])[3:])
        assert told == {f"{name}={value}" for name, value in variables["env"].items()} != set()


def related(*tags):
    return [
        {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
        for tag in tags
    ]


def event_of(name, *tags):
    return ReceivedEvent(
        occurred=datetime.now(UTC),
        event=name,
        resource={"prefect.resource.id": f"prefect.flow-run.{uuid4()}"},
        related=related(*tags),
        id=uuid4(),
    )


@pytest.fixture(scope="module")
def silence():
    """The server's own trigger of the automation on runs that died silently."""
    return ServerTrigger.model_validate(
        desired.crash_automation(Served()).trigger.model_dump(mode="json")
    )


def test_a_stranger_s_run_is_none_of_our_automation_s(silence):
    assert silence.covers(event_of("prefect.flow-run.heartbeat", "weightstream"))
    assert not silence.covers(event_of("prefect.flow-run.heartbeat"))
    assert not silence.covers(event_of("prefect.flow-run.heartbeat", "theirs"))
    assert not silence.covers(event_of("prefect.flow-run.heartbeat", "weightstream-clinic"))


def test_the_automation_waits_for_three_of_the_heartbeats_that_our_runs_send(silence, deployed):
    (seconds,) = {
        int(one.fields["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        for one in deployed.values()
    }
    assert silence.within.total_seconds() > 3 * seconds
    settings = tomllib.loads((desired.ROOT / "prefect.toml").read_text("utf-8"))
    assert settings["flows"]["heartbeat_frequency"] == seconds  # of runs from the command line


def names_of_states():
    """Of every state that Prefect's own functions make, and ours."""
    makers = [
        maker
        for name, maker in inspect.getmembers(states, inspect.isfunction)
        if name[0].isupper() and maker.__module__ == "prefect.states"
    ]
    assert len(makers) >= 15
    soon = {"Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot"}
    for maker in makers:
        given = {"scheduled_time": datetime.now(UTC)} if maker.__name__ in soon else {}
        yield maker(**given).name
    yield from ("Degraded", "TimedOut", "Resuming", "NotReady")


@pytest.mark.parametrize("name", sorted(set(names_of_states())))
def test_whatever_state_a_run_enters_nobody_waits_for_its_heartbeat(silence, name):
    assert silence.expects(f"prefect.flow-run.{name}")
    assert not silence.starts_after(f"prefect.flow-run.{name}")


def test_a_run_that_its_process_has_left_is_not_waited_for(silence):
    event = event_of(LEFT, "weightstream")
    assert silence.covers(event)
    assert silence.expects(event.event)


def test_who_is_told_of_what():
    blocks = [uuid4(), uuid4()]
    run, news = desired.notifying_automations(Served(), blocks)
    told = ServerTrigger.model_validate(run.trigger.model_dump(mode="json"))
    for name in ("Failed", "Crashed", "Degraded"):
        assert told.covers(event_of(f"prefect.flow-run.{name}", "weightstream"))
        assert not told.covers(event_of(f"prefect.flow-run.{name}", "theirs"))
    assert not told.covers(event_of("prefect.flow-run.Completed", "weightstream"))
    for automation in (run, news):
        assert [action.block_document_id for action in automation.actions] == blocks
