"""HTTP for those who run the gateway: health, metrics, and the console, which alone changes anything."""
