"""Benchmarks that compare the gateway with services that call boto3; `python -m benchmarks` runs all."""
