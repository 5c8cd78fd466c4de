"""Reports, rendered from a run's evidence alone. ``python -m reports render|verify RUN``; as a pytest plugin: ``reports``."""

pytest_plugins = ["reports.plugin"]
