"""Builds the parts of one gateway and connects them; `gateway.app` puts them together."""
