"""Every loss in scenarios/ that only a backup heals keeps every promise of its row."""

from fixtures import checks, probes

pytest_plugins = ["fixtures.recovery.plugin"]

SUSTAINED_S = 3.0
"""The service has come back when it stays: the window over which the RTO is judged."""


def test_recovery_keeps_every_promise(recovery, load, inject, until, scenario, evidence):
    with load(scenario) as history:
        recovery.wait_until_archived()
        recovery.back_up_meanwhile()
        with inject(scenario.fault, scenario.abort) as fault:
            recovery.follow(fault)
            # How long it took is judged from what clients saw; here it only matters when to stop waiting.
            until(probes.writable, within=scenario.objectives.rto_s, holds_s=SUSTAINED_S, required=False)

    promised = checks.promised(scenario.objectives, history)
    evidence.verify(*promised, *checks.restored(recovery.facts, scenario.objectives, history))
