"""Builds the PromQL expressions of the dashboard's panels over the gateway's metrics."""

from typing import NamedTuple

ALL = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
BY_CAMPAIGN = f'{ALL},campaign=~"$campaign"'
EVERY = "$__rate_interval"
"""The variables of the dashboard, and the interval of its rates."""


class Query(NamedTuple):
    """One expression in PromQL, and how its series are named."""

    expr: str
    legend: str


def total(metric: str, *by: str, of: str = ALL) -> Query:
    """Return the sum of a gauge over replicas."""
    return Query(f"sum by ({', '.join(by)}) ({full_name(metric)}{{{of}}})", legend_of(*by))


def of_account(metric: str) -> Query:
    """Return a gauge of the whole account: replicas with a shared state all report it, others their parts."""
    gauge, shared = f"dial_gateway_{metric}{{{ALL}}}", f"dial_gateway_shared_state_connected{{{ALL}}}"
    match = f"on (namespace, job, instance) {shared}"
    return Query(f"max by () ({gauge} and {match}) or sum by () ({gauge} unless {match})", "")


def of_fleet(metric: str, *by: str) -> Query:
    """Return the maximum of a gauge over the replicas that are not on their own: these know old values."""
    gauge, solo = f"dial_gateway_{metric}{{{ALL}}}", f"dial_gateway_fleet_solo{{{ALL}}}"
    current = f"{gauge} unless on (namespace, job, instance) ({solo} == 1)"
    return Query(f"max by ({', '.join(by)}) ({current})", legend_of(*by))


def rate_in_use() -> Query:
    """Return the call rate in use: that of the account, or the parts of replicas that send on their own."""
    gauge, solo = f"dial_gateway_call_rate_current_per_second{{{ALL}}}", f"dial_gateway_fleet_solo{{{ALL}}}"
    match = "on (namespace, job, instance)"
    shared = f"max by () ({gauge} and {match} ({solo} == 0))"
    parts = f"sum by () ({gauge} unless {match} ({solo} == 0))"
    return Query(f"{shared} or {parts}", "")


def largest(metric: str, *by: str, of: str = ALL) -> Query:
    """Return the maximum of a gauge over replicas."""
    return Query(f"max by ({', '.join(by)}) ({full_name(metric)}{{{of}}})", legend_of(*by))


def rate(metric: str, *by: str, of: str = ALL) -> Query:
    """Return the rate of a counter per second, over all replicas."""
    growth = f"rate({full_name(metric)}_total{{{of}}}[{EVERY}])"
    return Query(f"sum by ({', '.join(by)}) ({growth})", legend_of(*by))


def quantile(metric: str, share: float, *by: str, of: str = ALL) -> Query:
    """Return a quantile of a histogram."""
    growth = f"rate(dial_gateway_{metric}_bucket{{{of}}}[{EVERY}])"
    legend = f"p{share * 100:g} {legend_of(*by)}".rstrip()
    return Query(f"histogram_quantile({share:g}, sum by ({', '.join(['le', *by])}) ({growth}))", legend)


def share(part: Query, whole: Query, legend: str = "") -> Query:
    """Return a part of a whole; nothing while the whole is 0."""
    return Query(f"({part.expr}) / (({whole.expr}) > 0)", legend)


def mean(metric: str, *by: str) -> Query:
    """Return the mean of a histogram."""
    labels = ", ".join(by)
    added_up, count = (f"rate(dial_gateway_{metric}_{part}{{{ALL}}}[{EVERY}])" for part in ("sum", "count"))
    return Query(f"sum by ({labels}) ({added_up}) / sum by ({labels}) ({count})", legend_of(*by))


def most(query: Query) -> Query:
    """Return the ten largest series, since there may be many campaigns."""
    return query._replace(expr=f"topk(10, {query.expr})")


def full_name(metric: str) -> str:
    """Return the name of a metric: those of the gateway have a prefix, those of any process have not."""
    return metric if metric.startswith("process_") else f"dial_gateway_{metric}"


def legend_of(*by: str) -> str:
    """Return Grafana's legend format for these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by)


def named(query: Query, legend: str) -> Query:
    """Return the query with another legend."""
    return query._replace(legend=legend)
