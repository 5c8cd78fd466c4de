"""Loads the policy plugin here and not for every run: only who judges code needs the packages that it imports."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """``--target`` and ``--baseline`` are the plugin's."""
    pluginmanager.import_plugin("fixtures.policy.plugin")
