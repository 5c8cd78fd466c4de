"""The search for schedules that break a promise, on models of a system: what it finds, shrinks, refuses to believe."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pytest
from hypothesis import given, settings

from fixtures.faults import Kill, Pause, Schedule, Step, ZoneOutage, ZonePartition
from fixtures.model import Outcome
from fixtures.search.draw import Drawn, drawn, schedules
from fixtures.search.explore import ROWS_A_START, Find, Limits, Search
from fixtures.search.judgement import Judgement
from fixtures.search.shrink import CANDIDATE, CERTAIN, Replayer, contains, shrink

LOST = "no_lost_writes"
CUT = ZonePartition("database primary", reachable_by_clients=True)
KILL, OUTAGE = Kill("database primary"), ZoneOutage("database primary")
CUT_THEN_KILL = Schedule((Step(CUT, 0.0, 6.0), Step(KILL, 0.7, 21.3)))
SOUND = Judgement(Outcome.PASS, {})
LOSES = Judgement(Outcome.FAIL, {LOST: "12 acknowledged writes are gone."}, "run: try", f"{LOST}: 12 are gone")
LATE = Judgement(Outcome.FAIL, {"recovered_within": "70 s"}, "run: try", "recovered_within: 70 s")
UNJUDGED = Judgement(Outcome.UNKNOWN, {}, "run: try", "the load was too thin")


@dataclass
class Model:
    """A system whose answer is a function of the schedule; each try takes a minute of its clock."""

    answer: Callable[[Schedule], Judgement | None]
    now_s: float = 0.0
    runs: list[Sequence[Schedule]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    pinned: list[Find] = field(default_factory=list)

    def run(self, asked: Sequence[Schedule]) -> list[Judgement | None]:
        """A ``Run``."""
        self.runs.append(asked)
        self.now_s += 60 * len(asked)
        return [self.answer(schedule) for schedule in asked]

    def search(self, seed: int = 1, for_s: float = 1e9, most: int | None = 200, tries: int = 50) -> Search:
        """A search that has ended."""
        search = Search(self.run, Limits(for_s, tries), self.pinned.append, self.said.append, clock=lambda: self.now_s)
        search.explore(islice(drawn(seed), most))
        return search


def cut_then_dead(schedule: Schedule) -> Judgement:
    """An asynchronous database: lost if its primary dies while clients reach it and its standbys do not."""
    steps = [(each, getattr(each.fault, "node", "") or getattr(each.fault, "zone", "")) for each in schedule.steps]
    cuts = [each for each, _ in steps if each.fault == CUT]
    deaths = [
        each for each, words in steps if words == "database primary" and isinstance(each.fault, Kill | ZoneOutage)
    ]
    lost = any(cut.at_s <= death.at_s < cut.at_s + cut.for_s for cut in cuts for death in deaths)
    return LOSES if lost else SOUND


def by_chance(share: float, seed: int, judgement: Judgement = LOSES) -> Callable[[Schedule], Judgement]:
    rng = random.Random(seed)  # noqa: S311
    return lambda _: judgement if rng.random() < share else SOUND


# ------------------------------------------------------------------------------------------------ finding


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loss_is_found_and_shrunk_to_one_cut_and_one_kill(seed: int) -> None:
    model = Model(cut_then_dead)
    tally = model.search(seed).tally
    assert tally.code() == 1
    (find,) = model.pinned  # every later failure contains this one
    assert find is tally.found[0]
    assert find.smallest == Schedule((Step(CUT, 0.0, 0.5), Step(KILL, 0.0, 0.5)))
    assert (find.promise, find.count.failed, find.count.of) == (LOST, 4, 4)
    assert find.tries <= 50
    assert tally.known > 0
    assert not tally.unsettled


def test_what_fails_often_but_not_always_is_found_among_noise() -> None:
    rng = random.Random(5)  # noqa: S311

    def flaky(schedule: Schedule) -> Judgement:
        return LOSES if rng.random() < (0.95 if cut_then_dead(schedule) is LOSES else 0.03) else SOUND

    model = Model(flaky)
    model.search(2, most=300)
    assert model.pinned
    for find in model.pinned:
        assert {type(step.fault) for step in find.smallest.steps} == {ZonePartition, Kill}


def test_noise_does_not_become_a_row() -> None:
    pinned, unsettled = 0, 0
    for seed in range(20):
        model = Model(by_chance(0.3, seed))
        tally = model.search(seed, most=10).tally
        pinned += len(model.pinned)
        unsettled += len(tally.unsettled)
        assert sum("no row is written" in line for line in model.said) == len(tally.unsettled)
    assert unsettled > 40
    assert pinned == 0


def test_another_promise_that_breaks_in_the_replays_does_not_confirm() -> None:
    answers = iter([LOSES, *[LATE] * 100])
    model = Model(lambda _: next(answers))
    assert not model.search(most=1).tally.found


def test_safety_that_broke_once_is_red_and_a_late_service_is_noise() -> None:
    for judgement, code in ((LOSES, 1), (LATE, 0)):
        answers = iter([judgement, *[SOUND] * 100])
        tally = Model(lambda _, answers=answers: next(answers)).search(most=5).tally  # type: ignore[misc]
        assert ([promise for promise, _ in tally.unsettled], tally.code()) == ([judgement.gravest], code)


def test_unknown_is_counted_and_never_followed_up() -> None:
    model = Model(lambda _: UNJUDGED)
    tally = model.search(most=10).tally
    assert sum(map(len, model.runs)) == tally.outcomes[Outcome.UNKNOWN] == 10
    assert tally.code() == 2
    assert sum("UNKNOWN" in line for line in model.said) == 10


def test_what_did_not_run_is_run_later_and_in_order() -> None:
    model = Model(lambda _: SOUND)
    begun: list[Schedule] = []

    def stops_after_one(asked: Sequence[Schedule]) -> list[Judgement | None]:
        begun.append(asked[0])
        return [*model.run(asked[:1]), *[None] * (len(asked) - 1)]

    search = Search(stops_after_one, Limits(1e9, 50), model.pinned.append, model.said.append, clock=lambda: model.now_s)
    assert search.explore(islice(drawn(1), 7)).outcomes == {Outcome.PASS: 7}
    assert begun == [each.schedule for each in islice(drawn(1), 7)]


def test_a_stack_on_which_nothing_runs_ends_the_search() -> None:
    model = Model(lambda _: None)
    assert model.search().tally.code() == 2
    assert len(model.runs) == 2


# ------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("for_s", [30, 200, 1000])
def test_nothing_is_begun_after_the_time(for_s: float) -> None:
    model = Model(lambda _: SOUND)
    model.search(for_s=for_s, most=None)
    assert for_s <= model.now_s <= for_s + 60
    assert max(map(len, model.runs)) <= ROWS_A_START


def test_a_failure_is_followed_up_when_the_time_is_over_and_another_is_only_named() -> None:
    failing = [Schedule((Step(Kill("api"), 0.0, 1.0),)), Schedule((Step(Pause("api"), 0.0, 1.0),))]
    model = Model(lambda _: LOSES)
    search = Search(model.run, Limits(125, 50), model.pinned.append, model.said.append, clock=lambda: model.now_s)
    tally = search.explore(Drawn(number, schedule) for number, schedule in enumerate(failing))
    assert model.now_s > 125
    assert [find.drawn.number for find in tally.found] == [0]
    assert tally.unsettled == [(LOST, "run: try")]
    assert "not followed up, the time is over" in model.said[-1]


def test_tries_are_bounded() -> None:
    model = Model(lambda _: LOSES)
    model.search(most=1, tries=20)
    assert sum(map(len, model.runs)) <= 1 + 20


@pytest.mark.parametrize(
    ("answers", "wanted", "tried", "held"),
    [
        ("FF", CANDIDATE, 2, True),
        ("PP", CANDIDATE, 2, False),
        ("FPF", CANDIDATE, 3, True),
        ("PFP", CANDIDATE, 3, False),
        ("U.FF", CANDIDATE, 3, True),
        ("FFFF", CERTAIN, 4, True),
        ("FPFFF", CERTAIN, 5, True),
        ("PP", CERTAIN, 2, False),
    ],
)
def test_replays_stop_as_soon_as_they_have_decided(answers: str, wanted: object, tried: int, held: bool) -> None:
    said = iter({"F": LOSES, "P": SOUND, "U": UNJUDGED, ".": None}[letter] for letter in answers)
    replayer = Replayer(lambda asked: [next(said) for _ in asked], LOST, 10, lambda _: None)
    assert (replayer.holds(CUT_THEN_KILL, wanted) is not None) == held  # type: ignore[arg-type]
    assert replayer.tries == 10 - tried
    assert next(said, None) is None


# ------------------------------------------------------------------------------------------------ shrinking


@settings(max_examples=60, deadline=None)
@given(schedules())
def test_shrinking_keeps_the_cause_and_nothing_else(schedule: Schedule) -> None:
    """The cause is the schedule's last fault, for at least 1.5 s."""
    cause = schedule.steps[-1]
    if cause.for_s < 1.5:
        return

    def fails(candidate: Schedule) -> bool:
        return any(step.fault == cause.fault and step.for_s >= 1.5 for step in candidate.steps)

    trail = shrink(schedule, fails)
    assert trail[0] == schedule
    assert all(map(fails, trail))
    (left,) = trail[-1].steps
    assert (left.fault, left.at_s) == (cause.fault, 0.0)
    assert left.for_s == 2.0 or left.for_s == cause.for_s < 2.0
    assert all(contains(schedule, smaller) for smaller in trail[-1:])


def test_faults_become_simpler() -> None:
    schedule = Schedule((Step(CUT, 0.0, 3.3), Step(OUTAGE, 0.7, 3.3)))
    assert shrink(schedule, lambda _: True)[-1] == Schedule((Step(Kill("database primary"), 0.0, 0.5),))
    both = shrink(schedule, lambda candidate: len(candidate.steps) == 2)[-1]
    assert both == Schedule((Step(ZonePartition("database primary"), 0.0, 0.5), Step(KILL, 0.0, 0.5)))
    assert shrink(schedule, lambda _: False) == [schedule]


def test_what_a_cause_is_contained_in() -> None:
    cause = Schedule((Step(CUT, 0.0, 1.0), Step(KILL, 0.5, 20.0)))
    other = Step(Pause("api"), 0.2, 5.0)
    assert contains(Schedule((Step(CUT, 0.0, 3.0), other, Step(OUTAGE, 2.0, 22.0))), cause)
    assert not contains(Schedule((Step(CUT, 0.0, 3.0), other, Step(OUTAGE, 3.5, 22.0))), cause), "they do not meet"
    assert not contains(Schedule((Step(CUT, 0.0, 3.0), Step(KILL, 2.0, 5.0))), cause), "too short"
    assert not contains(Schedule((Step(KILL, 0.0, 22.0), Step(CUT, 2.0, 5.0))), cause), "the other way round"
