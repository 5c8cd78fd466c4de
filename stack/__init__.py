"""The deployment under test."""
