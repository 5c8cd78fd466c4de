"""Names the plugins. Fixtures live in fixtures/, never here."""

import pytest

pytest.register_assert_rewrite("fixtures")
pytest_plugins = [
    "fixtures.sandbox",
    "fixtures.stacks",
    "fixtures.workloads.plugin",
    "fixtures.injection",
    "fixtures.scenario",
    "fixtures.evidence",
    "fixtures.judged",
    "reports.plugin",
]
