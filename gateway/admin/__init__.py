"""HTTP for those who run the gateway: health and metrics. Nothing here changes anything."""
