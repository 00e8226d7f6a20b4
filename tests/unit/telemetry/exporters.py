"""Exporters of metrics for tests."""

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData


class KeepingExporter(MetricExporter):
    """An exporter that keeps the exported data."""

    exported: list[MetricsData]
    closed = False

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object
    ) -> MetricExportResult:
        """Keep the data."""
        self.exported = [*getattr(self, "exported", []), metrics_data]
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Note it."""
        self.closed = True

    @property
    def names(self) -> list[set[str]]:
        """The names of the metrics of each export."""
        return [
            {
                metric.name
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }
            for data in self.exported
        ]
