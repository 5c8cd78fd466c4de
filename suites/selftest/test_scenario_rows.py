"""Rows of ``scenarios/``: every mistake is one sentence with file, key and what to do, and the schema agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures.faults import FAULTS, ZoneOutage
from fixtures.model import Scenario
from fixtures.scenario import BadRow, read_scenario, read_scenarios
from fixtures.schema import schema

GOOD: dict[str, Any] = {
    "fault": {"zone_outage": {"zone": "a"}},
    "load": {"writes_per_s": 100},
    "objectives": {"rto_s": 30, "unavailable_s": 32.5, "rpo_writes": 0, "stale_reads_s": 2},
    "controls": ["SOC2:A1.2"],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one value set: ``objectives.rto_s``."""
    row: dict[str, Any] = json.loads(json.dumps(GOOD))
    *sections, last = path.split(".")
    part = row
    for section in sections:
        part = part[section]
    part[last] = value
    return row


def without(path: str) -> dict[str, Any]:
    """GOOD with one key gone."""
    row = changed(path, None)
    section, _, key = path.rpartition(".")
    del (row[section] if section else row)[key]
    return row


def written(directory: Path, row: Any, why: str = "# Because.\n") -> Path:
    path = directory / "row.yaml"
    path.write_text(why + (row if isinstance(row, str) else yaml.safe_dump(row)))
    return path


BAD = {
    "key of the row": (changed("lod", {}), "the row: unknown key 'lod'; did you mean 'load'?"),
    "key of the load": (
        changed("load.write_per_s", 1),
        "load: unknown key 'write_per_s'; did you mean 'writes_per_s'?",
    ),
    "key of the objectives": (changed("objectives.rto", 1), "objectives: unknown key 'rto'; did you mean 'rto_s'?"),
    "key of the fault": (
        changed("fault.zone_outage.zon", "a"),
        "fault.zone_outage: unknown key 'zon'; did you mean 'zone'?",
    ),
    "key that is no text": (
        GOOD | {3: 4},
        "the row: unknown key 3. Known: fault, recovery, load, objectives, controls",
    ),
    "fault": (
        changed("fault", {"zone_outrage": {}}),
        "fault: no fault is called 'zone_outrage'; did you mean 'zone_outage'?",
    ),
    "two faults": (changed("fault", {"kill": {}, "pause": {}}), "fault: expected one fault with its fields, such as"),
    "fault as text": (changed("fault", "kill"), "fault: expected one fault with its fields, such as"),
    "fault without its field": (changed("fault.zone_outage", {}), "fault.zone_outage.zone is missing"),
    "no fault": (without("fault"), "'fault' is missing; a row needs fault, objectives and controls"),
    "no objectives": (without("objectives"), "'objectives' is missing; a row needs"),
    "no controls": (without("controls"), "'controls' is missing; a row needs"),
    **{
        f"no {name}": (
            without(f"objectives.{name}"),
            f"objectives.{name} is missing; it has no default: say what was promised",
        )
        for name in GOOD["objectives"]
    },
    "negative": (changed("objectives.rto_s", -1), "objectives.rto_s: expected a number of 0 or more, got -1"),
    "text as number": (changed("objectives.rto_s", "30 s"), "objectives.rto_s: expected a number, got '30 s'"),
    "bool as number": (changed("objectives.rto_s", True), "objectives.rto_s: expected a number, got True"),
    "bool as count": (
        changed("objectives.rpo_writes", False),
        "objectives.rpo_writes: expected a whole number, got False",
    ),
    "part as count": (changed("objectives.rpo_writes", 0.5), "objectives.rpo_writes: expected a whole number, got 0.5"),
    "nothing as number": (changed("load.writes_per_s", None), "load.writes_per_s: expected a number, got None"),
    "number as word": (changed("fault.zone_outage.zone", 3), "fault.zone_outage.zone: expected a text, got 3"),
    "word as bool": (
        changed("fault", {"zone_partition": {"zone": "a", "reachable_by_clients": "no, thanks"}}),
        "fault.zone_partition.reachable_by_clients: expected true or false, got 'no, thanks'",
    ),
    "list as load": (
        changed("load", [1]),
        "load: expected keys writes_per_s, reads_per_s, inside_writes_per_s, got [1]",
    ),
    "nothing as load": (changed("load", None), "load: expected keys writes_per_s"),
    "controls as text": (
        changed("controls", "SOC2:A1.2"),
        "controls: expected a list of ids from reports/controls.yaml",
    ),
    "no control": (changed("controls", []), "controls: expected a list of ids from reports/controls.yaml, got []"),
    "list as row": ([1], "the row: expected keys fault, recovery, load, objectives, controls, abort, nightly, got [1]"),
    "nothing as row": ("", "the row: expected keys fault, recovery, load, objectives, controls, abort, nightly, got"),
    "a fault of everything without its braces": (
        changed("fault", {"environment_loss": None}),
        "fault.environment_loss: expected {}, as there is nothing to be said of it, got None",
    ),
    "word for a part": (
        changed("fault", {"kill": {"node": "api", "part": "sever"}}),
        "fault.kill.part: 'sever' is none of the words that are known here; did you mean 'server'? Known: server",
    ),
    "word for a direction": (
        changed("fault", {"zone_partition": {"zone": "a", "direction": "outbond"}}),
        "fault.zone_partition.direction: 'outbond' is none of the words that are known here; did you mean 'outbound'?",
    ),
    "word for a resource": (
        changed("fault", {"exhaust": {"node": "api", "resource": "disk"}}),
        "fault.exhaust.resource: 'disk' is none of the words that are known here. Known: data volume, wal volume",
    ),
    "list for a change": (
        changed("fault", {"bad_change": {"node": "api", "change": ["never ready"]}}),
        "fault.bad_change.change: ['never ready'] is none of the words",
    ),
    "part of a node": (
        changed("fault", {"kill": {"node": "api", "count": 0.5}}),
        "fault.kill.count: expected a whole number, got 0.5",
    ),
    "a bandwidth that is none": (
        changed("fault", {"zone_bandwidth": {"zone": "a", "kbit_per_s": 8}}),
        "fault.zone_bandwidth.kbit_per_s: expected a whole number of 100 or more, got 8",
    ),
    "a loss of all packets": (
        changed("fault", {"zone_packet_loss": {"zone": "a", "one_in": 1}}),
        "fault.zone_packet_loss.one_in: expected a whole number of 2 or more, got 1",
    ),
    "slow without a delay": (changed("fault", {"slow": {"node": "api"}}), "fault.slow.delay_s is missing"),
    "text as nightly": (GOOD | {"nightly": "yes, please"}, "nightly: expected true or false, got 'yes, please'"),
    "number as nightly": (GOOD | {"nightly": 1}, "nightly: expected true or false, got 1"),
    "key of the abort": (
        GOOD | {"abort": {"unwriteable_s": 5}},
        "abort: unknown key 'unwriteable_s'; did you mean 'unwritable_s'?",
    ),
    "negative abort": (
        GOOD | {"abort": {"unwritable_s": -1}},
        "abort.unwritable_s: expected a number of 0 or more, got -1",
    ),
    "number as URL": (GOOD | {"abort": {"url": 80}}, "abort.url: expected a text, got 80"),
    "nothing as abort": (GOOD | {"abort": None}, "abort: expected keys unwritable_s, url, got None"),
    "part of a request": (
        changed("objectives.failed_requests", 0.5),
        "objectives.failed_requests: expected a whole number, got 0.5",
    ),
    "no number of requests": (
        changed("objectives.failed_requests", None),
        "objectives.failed_requests: expected a whole number, got None",
    ),
}
BEYOND_THE_SCHEMA = {
    "not a number": (changed("objectives.rto_s", float("nan")), "objectives.rto_s: expected a number, got nan"),
    "endless": (changed("objectives.rto_s", float("inf")), "objectives.rto_s: expected a number, got inf"),
    "endless count": (changed("objectives.rpo_writes", float("inf")), "objectives.rpo_writes: expected a whole number"),
    "count that is none": (
        changed("objectives.rpo_writes", float("nan")),
        "objectives.rpo_writes: expected a whole number",
    ),
    "number beyond floats": (changed("objectives.rto_s", 10**400), "objectives.rto_s: expected a number"),
    "key given twice": (
        yaml.safe_dump(GOOD).replace("  rto_s: 30\n", "  rto_s: 30\n  rto_s: 300\n"),
        "the key 'rto_s' is given twice; keep one",
    ),
    "no YAML": (
        "fault: {kill: {node: api}",
        "not valid YAML, expected a row such as scenarios/zone-loss.yaml: while parsing",
    ),
    "impossible date": (
        "fault: 2024-99-99",
        "not valid YAML, expected a row such as scenarios/zone-loss.yaml: month must be",
    ),
    "bottomless": ("[" * 2000, "not valid YAML, expected a row"),
}


@pytest.mark.parametrize("name", [*BAD, *BEYOND_THE_SCHEMA])
def test_a_mistake_is_one_sentence_with_file_and_key(tmp_path: Path, name: str) -> None:
    row, message = (BAD | BEYOND_THE_SCHEMA)[name]
    path = written(tmp_path, row)
    with pytest.raises(BadRow) as raised:
        read_scenario(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("name", BAD)
def test_the_schema_refuses_what_the_loader_refuses(name: str) -> None:
    row, _ = BAD[name]
    if name == "key that is no text":
        pytest.skip("JSON has no keys but texts")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row or None, schema())


def test_a_good_row_is_read(tmp_path: Path) -> None:
    jsonschema.validate(GOOD, schema())
    row = read_scenario(written(tmp_path, GOOD, "# Two\n# lines.\n"))
    assert (row.id, row.why, row.fault) == ("row", "Two lines.", ZoneOutage("a"))
    assert (row.objectives.rto_s, row.objectives.rpo_writes, row.load.reads_per_s) == (30.0, 0, 100.0)


def test_a_row_must_say_why_it_exists(tmp_path: Path) -> None:
    for comment in ("", "\n# Late.\n", "#\n"):
        with pytest.raises(BadRow, match=r"row\.yaml: the file must begin with a comment that says why"):
            read_scenario(written(tmp_path, GOOD, comment))


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    (tmp_path / "directory.yaml").mkdir()
    (tmp_path / "nowhere.yaml").symlink_to("missing")
    (tmp_path / "latin.yaml").write_bytes("# Größe\n".encode("latin-1"))
    for name, message in (
        ("directory", "cannot be read (Is a directory); expected a file that this user may read"),
        ("nowhere", "cannot be read (No such file or directory); expected a file"),
        ("latin", "not UTF-8 at byte 4; expected a text file, save it as UTF-8"),
    ):
        with pytest.raises(BadRow) as raised:
            read_scenario(tmp_path / f"{name}.yaml")
        assert str(raised.value) == f"{tmp_path / name}.yaml: {message}" or message in str(raised.value)


def test_a_directory_without_rows_and_a_row_that_would_never_run_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"no scenario rows \(\*\.yaml\) in here"):
        read_scenarios(tmp_path)
    written(tmp_path, GOOD)
    (tmp_path / "other.yml").write_text("")
    with pytest.raises(BadRow, match=r"other\.yml: rows are called \*\.yaml, .* rename it to other\.yaml"):
        read_scenarios(tmp_path)


# ------------------------------------------------------------------------------------------------ anything at all

WORDS = [*GOOD, *GOOD["objectives"], *FAULTS, "zone", "node", "cut_s", "writes_per_s", "schedule", "at_s", "for_s"]
KEYS = st.sampled_from(WORDS) | st.text(max_size=3)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()
VALUES = st.recursive(
    LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=5), max_leaves=20
)
ROWS = VALUES | st.builds(
    lambda section, value: GOOD | {section: value}, st.sampled_from([*GOOD, "abort", "nightly"]), VALUES
)
STEPS = st.lists(st.dictionaries(st.sampled_from([*FAULTS, "at_s", "for_s", "once_healthy"]), VALUES), max_size=3)
ROWS |= STEPS.map(lambda steps: GOOD | {"fault": {"schedule": steps}})


@settings(deadline=None)  # a busy machine is no mistake of the reader
@given(ROWS)
@example(changed("objectives.rpo_writes", float("inf")))
@example(changed("objectives.rpo_writes", -(10**400)))
def test_any_row_is_a_scenario_or_a_mistake(tmp_path_factory: pytest.TempPathFactory, row: Any) -> None:
    path = written(tmp_path_factory.getbasetemp(), row)
    try:
        assert isinstance(read_scenario(path), Scenario)
    except BadRow as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017  # either outcome is right


@given(st.text() | st.binary())
def test_any_file_is_a_scenario_or_a_mistake(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadRow):
        read_scenario(path)
