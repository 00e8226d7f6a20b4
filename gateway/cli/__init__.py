"""The commands of `dial-gateway`.

This module imports nothing, so that `entry` can install signal handlers before the slow imports.
"""
