"""The frontend: pages that show whether the ledger can serve. They ask ``/api`` on their own address, as users do."""

from .application import create_app

__all__ = ["create_app"]
