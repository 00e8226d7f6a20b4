"""Intake of dial requests: validation, admission, the forecast of waiting times, and sources that leave."""
