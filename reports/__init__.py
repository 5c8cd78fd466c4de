"""Reports, rendered from a run's evidence alone: ``python -m reports render|verify RUN``. Also the plugin's name."""

pytest_plugins = ["reports.plugin"]
