"""The trail of the compliance guard: its decisions about dial requests, as lines that are kept as proof.

`lines` makes the lines, `chain` connects them by hashes, `trail_file` writes them to a file and renames full
ones, `export_sink` sends them to a collector, and `writer` queues records and writes them in a thread.
docs/guard.md describes the lines.
"""
