"""Ends well only where AWS answers: ``python -m suites.selftest.sabotage.asks_aws URL``, as a fencing script would."""

from __future__ import annotations

import sys

import boto3
import botocore.config

WITHIN_S = 2.0

if __name__ == "__main__":
    config = botocore.config.Config(connect_timeout=WITHIN_S, read_timeout=WITHIN_S, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=sys.argv[1], config=config, **keys).list_buckets()  # type: ignore[call-overload]
