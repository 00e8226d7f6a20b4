"""The generated contract, package `dialgateway.v1`: messages, enums and service stubs."""
