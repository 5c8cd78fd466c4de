"""Reports, rendered from a run's evidence alone. ``python -m reports render|verify RUN``."""
