"""Loads the policy plugin where the root's ``conftest.py`` does not name it yet."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """``--target`` and ``--baseline`` are the plugin's."""
    pluginmanager.import_plugin("fixtures.policy.plugin")
