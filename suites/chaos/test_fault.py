"""Every fault in scenarios/ keeps every promise of its row."""

from fixtures import checks, probes

SUSTAINED_S = 3.0
"""The service has come back when it stays: the window over which the RTO is judged."""


def test_fault_keeps_every_promise(load, inject, until, scenario, evidence):
    with load(scenario) as history, inject(scenario.fault, scenario.abort):
        # How long it took is judged from what clients saw; here it only matters when to stop waiting.
        until(probes.writable, within=scenario.objectives.rto_s, holds_s=SUSTAINED_S, required=False)

    evidence.verify(*checks.promised(scenario.objectives, history))
