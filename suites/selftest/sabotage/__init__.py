"""Stacks with one planted defect each: the suite is judged by whether it finds it."""
