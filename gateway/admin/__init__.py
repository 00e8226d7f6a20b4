"""The HTTP admin port: health, metrics and the console. Only the console changes anything."""
