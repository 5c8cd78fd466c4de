"""Reports, rendered from a run's evidence alone: ``python -m reports render|verify RUN``. The plugin is reports.plugin.

Not ``reports``: under that name pytest would load its own module ``_pytest.reports``, and say nothing.
"""
