"""gRPC in and out. `wire` alone knows both protobuf and the core's model."""
