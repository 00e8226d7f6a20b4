package com.dialgateway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Suppresses numbers that must not be called any more, tells which numbers are
 * suppressed, and what the gateway would do with dial requests, without sending
 * any.
 * If the replicas share a state (Valkey or Redis), a suppression applies to all
 * of them, whichever replica answers the call, and outlives all processes.
 * Without a shared state it applies only to the replica that answers the call,
 * and SuppressNumberResponse.lifetime says when it ends.
 * Phone numbers are neither stored nor logged by these methods, only their
 * keyed hashes: 8 bytes, equal on all replicas of a fleet.
 * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
 * means that the gateway is older than the method. On a gateway with
 * a policy, UNAUTHENTICATED means that the caller shows no identity, and
 * PERMISSION_DENIED that the policy does not name it or does not grant it this
 * method. Every status other than OK has a reason in its details: see
 * ErrorReason in error_reason.proto.
 * A suppression, or the end of one, that has begun is completed even if its call
 * is cancelled or exceeds its deadline. Each method may be called again after
 * any status: the result is the same as that of one call.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ComplianceServiceGrpc {

  private ComplianceServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "dialgateway.v1.ComplianceService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.SuppressNumberRequest,
      com.dialgateway.v1.SuppressNumberResponse> getSuppressNumberMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SuppressNumber",
      requestType = com.dialgateway.v1.SuppressNumberRequest.class,
      responseType = com.dialgateway.v1.SuppressNumberResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.SuppressNumberRequest,
      com.dialgateway.v1.SuppressNumberResponse> getSuppressNumberMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.SuppressNumberRequest, com.dialgateway.v1.SuppressNumberResponse> getSuppressNumberMethod;
    if ((getSuppressNumberMethod = ComplianceServiceGrpc.getSuppressNumberMethod) == null) {
      synchronized (ComplianceServiceGrpc.class) {
        if ((getSuppressNumberMethod = ComplianceServiceGrpc.getSuppressNumberMethod) == null) {
          ComplianceServiceGrpc.getSuppressNumberMethod = getSuppressNumberMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.SuppressNumberRequest, com.dialgateway.v1.SuppressNumberResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SuppressNumber"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.SuppressNumberRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.SuppressNumberResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ComplianceServiceMethodDescriptorSupplier("SuppressNumber"))
              .build();
        }
      }
    }
    return getSuppressNumberMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.AllowNumberRequest,
      com.dialgateway.v1.AllowNumberResponse> getAllowNumberMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AllowNumber",
      requestType = com.dialgateway.v1.AllowNumberRequest.class,
      responseType = com.dialgateway.v1.AllowNumberResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.AllowNumberRequest,
      com.dialgateway.v1.AllowNumberResponse> getAllowNumberMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.AllowNumberRequest, com.dialgateway.v1.AllowNumberResponse> getAllowNumberMethod;
    if ((getAllowNumberMethod = ComplianceServiceGrpc.getAllowNumberMethod) == null) {
      synchronized (ComplianceServiceGrpc.class) {
        if ((getAllowNumberMethod = ComplianceServiceGrpc.getAllowNumberMethod) == null) {
          ComplianceServiceGrpc.getAllowNumberMethod = getAllowNumberMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.AllowNumberRequest, com.dialgateway.v1.AllowNumberResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AllowNumber"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.AllowNumberRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.AllowNumberResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ComplianceServiceMethodDescriptorSupplier("AllowNumber"))
              .build();
        }
      }
    }
    return getAllowNumberMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.CheckNumbersRequest,
      com.dialgateway.v1.CheckNumbersResponse> getCheckNumbersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CheckNumbers",
      requestType = com.dialgateway.v1.CheckNumbersRequest.class,
      responseType = com.dialgateway.v1.CheckNumbersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.CheckNumbersRequest,
      com.dialgateway.v1.CheckNumbersResponse> getCheckNumbersMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.CheckNumbersRequest, com.dialgateway.v1.CheckNumbersResponse> getCheckNumbersMethod;
    if ((getCheckNumbersMethod = ComplianceServiceGrpc.getCheckNumbersMethod) == null) {
      synchronized (ComplianceServiceGrpc.class) {
        if ((getCheckNumbersMethod = ComplianceServiceGrpc.getCheckNumbersMethod) == null) {
          ComplianceServiceGrpc.getCheckNumbersMethod = getCheckNumbersMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.CheckNumbersRequest, com.dialgateway.v1.CheckNumbersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CheckNumbers"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.CheckNumbersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.CheckNumbersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ComplianceServiceMethodDescriptorSupplier("CheckNumbers"))
              .build();
        }
      }
    }
    return getCheckNumbersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.CheckDialRequestsRequest,
      com.dialgateway.v1.CheckDialRequestsResponse> getCheckDialRequestsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CheckDialRequests",
      requestType = com.dialgateway.v1.CheckDialRequestsRequest.class,
      responseType = com.dialgateway.v1.CheckDialRequestsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.CheckDialRequestsRequest,
      com.dialgateway.v1.CheckDialRequestsResponse> getCheckDialRequestsMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.CheckDialRequestsRequest, com.dialgateway.v1.CheckDialRequestsResponse> getCheckDialRequestsMethod;
    if ((getCheckDialRequestsMethod = ComplianceServiceGrpc.getCheckDialRequestsMethod) == null) {
      synchronized (ComplianceServiceGrpc.class) {
        if ((getCheckDialRequestsMethod = ComplianceServiceGrpc.getCheckDialRequestsMethod) == null) {
          ComplianceServiceGrpc.getCheckDialRequestsMethod = getCheckDialRequestsMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.CheckDialRequestsRequest, com.dialgateway.v1.CheckDialRequestsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CheckDialRequests"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.CheckDialRequestsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.CheckDialRequestsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ComplianceServiceMethodDescriptorSupplier("CheckDialRequests"))
              .build();
        }
      }
    }
    return getCheckDialRequestsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ComplianceServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceStub>() {
        @java.lang.Override
        public ComplianceServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ComplianceServiceStub(channel, callOptions);
        }
      };
    return ComplianceServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ComplianceServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceBlockingV2Stub>() {
        @java.lang.Override
        public ComplianceServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ComplianceServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ComplianceServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ComplianceServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceBlockingStub>() {
        @java.lang.Override
        public ComplianceServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ComplianceServiceBlockingStub(channel, callOptions);
        }
      };
    return ComplianceServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ComplianceServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ComplianceServiceFutureStub>() {
        @java.lang.Override
        public ComplianceServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ComplianceServiceFutureStub(channel, callOptions);
        }
      };
    return ComplianceServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Suppresses a number for every campaign, from now on. The gateway sends no
     * further call with it to Amazon Connect, and makes no further attempt of a
     * failing call that contains it. Dial requests for it that are queued or
     * arrive later are answered REJECTED, SUPPRESSED; those that Amazon Connect
     * may have from an earlier attempt get UNKNOWN, SUPPRESSED. A call that has
     * left completes.
     * With a shared state the call returns when all replicas have carried it out,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * FAILED_PRECONDITION: the shared state does not answer. The number is
     * suppressed by the replica that answers only, which records the suppression
     * for the others as soon as it can. Call again to find out. RESOURCE_EXHAUSTED:
     * the maximum number of numbers (1,000,000) is suppressed; add numbers to a
     * list of the guard file. INTERNAL with the reason SUPPRESSION_NOT_KEPT: the
     * number is suppressed, but the file that keeps suppressions cannot be written.
     * </pre>
     */
    default void suppressNumber(com.dialgateway.v1.SuppressNumberRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.SuppressNumberResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSuppressNumberMethod(), responseObserver);
    }

    /**
     * <pre>
     * Ends the suppression of a number. Lists of the guard file stay in force, and
     * dial requests that were answered are not sent.
     * NOT_FOUND: the number is not suppressed by SuppressNumber; a list of the
     * guard file may have it. FAILED_PRECONDITION: the shared state does not
     * answer, so the number stays suppressed until it is back. INTERNAL with the
     * reason SUPPRESSION_NOT_KEPT: the file that keeps suppressions cannot be
     * written, so the number stays suppressed.
     * </pre>
     */
    default void allowNumber(com.dialgateway.v1.AllowNumberRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.AllowNumberResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAllowNumberMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells for each number whether it is suppressed: by an operator, since when,
     * by whom and why, and by which lists of the guard file. Nothing is changed,
     * and no number that the caller does not name is told.
     * With a shared state the replica that answers reads it first, so that a
     * suppression which any replica has confirmed before the call is found. If it
     * cannot, which takes it a second to find out, CheckNumbersResponse.complete
     * is false, and numbers that it does not know are UNKNOWN.
     * Each call leaves an audit record with the counts, and without the numbers.
     * RESOURCE_EXHAUSTED: the call has more than 1,000 numbers; ask in parts.
     * </pre>
     */
    default void checkNumbers(com.dialgateway.v1.CheckNumbersRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckNumbersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCheckNumbersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells for each dial request what the gateway would do with it now, by the
     * rules for its fields, the policy, the operators' holds and the guard file.
     * Nothing is sent, counted or remembered, and client tokens are not compared
     * with earlier ones. A later dial request may be treated differently, since
     * hours close, numbers are suppressed, and calls count towards limits.
     * A caller may check what it may dial; requests of another campaign are
     * reported as REJECTED, ACCESS_DENIED, as they would be answered.
     * RESOURCE_EXHAUSTED: the list has more than 1,000 dial requests, or the
     * message more than 4 MiB; check it in parts.
     * </pre>
     */
    default void checkDialRequests(com.dialgateway.v1.CheckDialRequestsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckDialRequestsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCheckDialRequestsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ComplianceService.
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public static abstract class ComplianceServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ComplianceServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ComplianceService.
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public static final class ComplianceServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ComplianceServiceStub> {
    private ComplianceServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ComplianceServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ComplianceServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Suppresses a number for every campaign, from now on. The gateway sends no
     * further call with it to Amazon Connect, and makes no further attempt of a
     * failing call that contains it. Dial requests for it that are queued or
     * arrive later are answered REJECTED, SUPPRESSED; those that Amazon Connect
     * may have from an earlier attempt get UNKNOWN, SUPPRESSED. A call that has
     * left completes.
     * With a shared state the call returns when all replicas have carried it out,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * FAILED_PRECONDITION: the shared state does not answer. The number is
     * suppressed by the replica that answers only, which records the suppression
     * for the others as soon as it can. Call again to find out. RESOURCE_EXHAUSTED:
     * the maximum number of numbers (1,000,000) is suppressed; add numbers to a
     * list of the guard file. INTERNAL with the reason SUPPRESSION_NOT_KEPT: the
     * number is suppressed, but the file that keeps suppressions cannot be written.
     * </pre>
     */
    public void suppressNumber(com.dialgateway.v1.SuppressNumberRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.SuppressNumberResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSuppressNumberMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Ends the suppression of a number. Lists of the guard file stay in force, and
     * dial requests that were answered are not sent.
     * NOT_FOUND: the number is not suppressed by SuppressNumber; a list of the
     * guard file may have it. FAILED_PRECONDITION: the shared state does not
     * answer, so the number stays suppressed until it is back. INTERNAL with the
     * reason SUPPRESSION_NOT_KEPT: the file that keeps suppressions cannot be
     * written, so the number stays suppressed.
     * </pre>
     */
    public void allowNumber(com.dialgateway.v1.AllowNumberRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.AllowNumberResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAllowNumberMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells for each number whether it is suppressed: by an operator, since when,
     * by whom and why, and by which lists of the guard file. Nothing is changed,
     * and no number that the caller does not name is told.
     * With a shared state the replica that answers reads it first, so that a
     * suppression which any replica has confirmed before the call is found. If it
     * cannot, which takes it a second to find out, CheckNumbersResponse.complete
     * is false, and numbers that it does not know are UNKNOWN.
     * Each call leaves an audit record with the counts, and without the numbers.
     * RESOURCE_EXHAUSTED: the call has more than 1,000 numbers; ask in parts.
     * </pre>
     */
    public void checkNumbers(com.dialgateway.v1.CheckNumbersRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckNumbersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCheckNumbersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells for each dial request what the gateway would do with it now, by the
     * rules for its fields, the policy, the operators' holds and the guard file.
     * Nothing is sent, counted or remembered, and client tokens are not compared
     * with earlier ones. A later dial request may be treated differently, since
     * hours close, numbers are suppressed, and calls count towards limits.
     * A caller may check what it may dial; requests of another campaign are
     * reported as REJECTED, ACCESS_DENIED, as they would be answered.
     * RESOURCE_EXHAUSTED: the list has more than 1,000 dial requests, or the
     * message more than 4 MiB; check it in parts.
     * </pre>
     */
    public void checkDialRequests(com.dialgateway.v1.CheckDialRequestsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckDialRequestsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCheckDialRequestsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ComplianceService.
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public static final class ComplianceServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ComplianceServiceBlockingV2Stub> {
    private ComplianceServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ComplianceServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ComplianceServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Suppresses a number for every campaign, from now on. The gateway sends no
     * further call with it to Amazon Connect, and makes no further attempt of a
     * failing call that contains it. Dial requests for it that are queued or
     * arrive later are answered REJECTED, SUPPRESSED; those that Amazon Connect
     * may have from an earlier attempt get UNKNOWN, SUPPRESSED. A call that has
     * left completes.
     * With a shared state the call returns when all replicas have carried it out,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * FAILED_PRECONDITION: the shared state does not answer. The number is
     * suppressed by the replica that answers only, which records the suppression
     * for the others as soon as it can. Call again to find out. RESOURCE_EXHAUSTED:
     * the maximum number of numbers (1,000,000) is suppressed; add numbers to a
     * list of the guard file. INTERNAL with the reason SUPPRESSION_NOT_KEPT: the
     * number is suppressed, but the file that keeps suppressions cannot be written.
     * </pre>
     */
    public com.dialgateway.v1.SuppressNumberResponse suppressNumber(com.dialgateway.v1.SuppressNumberRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSuppressNumberMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends the suppression of a number. Lists of the guard file stay in force, and
     * dial requests that were answered are not sent.
     * NOT_FOUND: the number is not suppressed by SuppressNumber; a list of the
     * guard file may have it. FAILED_PRECONDITION: the shared state does not
     * answer, so the number stays suppressed until it is back. INTERNAL with the
     * reason SUPPRESSION_NOT_KEPT: the file that keeps suppressions cannot be
     * written, so the number stays suppressed.
     * </pre>
     */
    public com.dialgateway.v1.AllowNumberResponse allowNumber(com.dialgateway.v1.AllowNumberRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAllowNumberMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells for each number whether it is suppressed: by an operator, since when,
     * by whom and why, and by which lists of the guard file. Nothing is changed,
     * and no number that the caller does not name is told.
     * With a shared state the replica that answers reads it first, so that a
     * suppression which any replica has confirmed before the call is found. If it
     * cannot, which takes it a second to find out, CheckNumbersResponse.complete
     * is false, and numbers that it does not know are UNKNOWN.
     * Each call leaves an audit record with the counts, and without the numbers.
     * RESOURCE_EXHAUSTED: the call has more than 1,000 numbers; ask in parts.
     * </pre>
     */
    public com.dialgateway.v1.CheckNumbersResponse checkNumbers(com.dialgateway.v1.CheckNumbersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCheckNumbersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells for each dial request what the gateway would do with it now, by the
     * rules for its fields, the policy, the operators' holds and the guard file.
     * Nothing is sent, counted or remembered, and client tokens are not compared
     * with earlier ones. A later dial request may be treated differently, since
     * hours close, numbers are suppressed, and calls count towards limits.
     * A caller may check what it may dial; requests of another campaign are
     * reported as REJECTED, ACCESS_DENIED, as they would be answered.
     * RESOURCE_EXHAUSTED: the list has more than 1,000 dial requests, or the
     * message more than 4 MiB; check it in parts.
     * </pre>
     */
    public com.dialgateway.v1.CheckDialRequestsResponse checkDialRequests(com.dialgateway.v1.CheckDialRequestsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCheckDialRequestsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ComplianceService.
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public static final class ComplianceServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ComplianceServiceBlockingStub> {
    private ComplianceServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ComplianceServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ComplianceServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Suppresses a number for every campaign, from now on. The gateway sends no
     * further call with it to Amazon Connect, and makes no further attempt of a
     * failing call that contains it. Dial requests for it that are queued or
     * arrive later are answered REJECTED, SUPPRESSED; those that Amazon Connect
     * may have from an earlier attempt get UNKNOWN, SUPPRESSED. A call that has
     * left completes.
     * With a shared state the call returns when all replicas have carried it out,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * FAILED_PRECONDITION: the shared state does not answer. The number is
     * suppressed by the replica that answers only, which records the suppression
     * for the others as soon as it can. Call again to find out. RESOURCE_EXHAUSTED:
     * the maximum number of numbers (1,000,000) is suppressed; add numbers to a
     * list of the guard file. INTERNAL with the reason SUPPRESSION_NOT_KEPT: the
     * number is suppressed, but the file that keeps suppressions cannot be written.
     * </pre>
     */
    public com.dialgateway.v1.SuppressNumberResponse suppressNumber(com.dialgateway.v1.SuppressNumberRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSuppressNumberMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends the suppression of a number. Lists of the guard file stay in force, and
     * dial requests that were answered are not sent.
     * NOT_FOUND: the number is not suppressed by SuppressNumber; a list of the
     * guard file may have it. FAILED_PRECONDITION: the shared state does not
     * answer, so the number stays suppressed until it is back. INTERNAL with the
     * reason SUPPRESSION_NOT_KEPT: the file that keeps suppressions cannot be
     * written, so the number stays suppressed.
     * </pre>
     */
    public com.dialgateway.v1.AllowNumberResponse allowNumber(com.dialgateway.v1.AllowNumberRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAllowNumberMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells for each number whether it is suppressed: by an operator, since when,
     * by whom and why, and by which lists of the guard file. Nothing is changed,
     * and no number that the caller does not name is told.
     * With a shared state the replica that answers reads it first, so that a
     * suppression which any replica has confirmed before the call is found. If it
     * cannot, which takes it a second to find out, CheckNumbersResponse.complete
     * is false, and numbers that it does not know are UNKNOWN.
     * Each call leaves an audit record with the counts, and without the numbers.
     * RESOURCE_EXHAUSTED: the call has more than 1,000 numbers; ask in parts.
     * </pre>
     */
    public com.dialgateway.v1.CheckNumbersResponse checkNumbers(com.dialgateway.v1.CheckNumbersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCheckNumbersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells for each dial request what the gateway would do with it now, by the
     * rules for its fields, the policy, the operators' holds and the guard file.
     * Nothing is sent, counted or remembered, and client tokens are not compared
     * with earlier ones. A later dial request may be treated differently, since
     * hours close, numbers are suppressed, and calls count towards limits.
     * A caller may check what it may dial; requests of another campaign are
     * reported as REJECTED, ACCESS_DENIED, as they would be answered.
     * RESOURCE_EXHAUSTED: the list has more than 1,000 dial requests, or the
     * message more than 4 MiB; check it in parts.
     * </pre>
     */
    public com.dialgateway.v1.CheckDialRequestsResponse checkDialRequests(com.dialgateway.v1.CheckDialRequestsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCheckDialRequestsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ComplianceService.
   * <pre>
   * Suppresses numbers that must not be called any more, tells which numbers are
   * suppressed, and what the gateway would do with dial requests, without sending
   * any.
   * If the replicas share a state (Valkey or Redis), a suppression applies to all
   * of them, whichever replica answers the call, and outlives all processes.
   * Without a shared state it applies only to the replica that answers the call,
   * and SuppressNumberResponse.lifetime says when it ends.
   * Phone numbers are neither stored nor logged by these methods, only their
   * keyed hashes: 8 bytes, equal on all replicas of a fleet.
   * INVALID_ARGUMENT names the field and the rule that it breaks. UNIMPLEMENTED
   * means that the gateway is older than the method. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not grant it this
   * method. Every status other than OK has a reason in its details: see
   * ErrorReason in error_reason.proto.
   * A suppression, or the end of one, that has begun is completed even if its call
   * is cancelled or exceeds its deadline. Each method may be called again after
   * any status: the result is the same as that of one call.
   * </pre>
   */
  public static final class ComplianceServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ComplianceServiceFutureStub> {
    private ComplianceServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ComplianceServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ComplianceServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Suppresses a number for every campaign, from now on. The gateway sends no
     * further call with it to Amazon Connect, and makes no further attempt of a
     * failing call that contains it. Dial requests for it that are queued or
     * arrive later are answered REJECTED, SUPPRESSED; those that Amazon Connect
     * may have from an earlier attempt get UNKNOWN, SUPPRESSED. A call that has
     * left completes.
     * With a shared state the call returns when all replicas have carried it out,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * FAILED_PRECONDITION: the shared state does not answer. The number is
     * suppressed by the replica that answers only, which records the suppression
     * for the others as soon as it can. Call again to find out. RESOURCE_EXHAUSTED:
     * the maximum number of numbers (1,000,000) is suppressed; add numbers to a
     * list of the guard file. INTERNAL with the reason SUPPRESSION_NOT_KEPT: the
     * number is suppressed, but the file that keeps suppressions cannot be written.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.SuppressNumberResponse> suppressNumber(
        com.dialgateway.v1.SuppressNumberRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSuppressNumberMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Ends the suppression of a number. Lists of the guard file stay in force, and
     * dial requests that were answered are not sent.
     * NOT_FOUND: the number is not suppressed by SuppressNumber; a list of the
     * guard file may have it. FAILED_PRECONDITION: the shared state does not
     * answer, so the number stays suppressed until it is back. INTERNAL with the
     * reason SUPPRESSION_NOT_KEPT: the file that keeps suppressions cannot be
     * written, so the number stays suppressed.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.AllowNumberResponse> allowNumber(
        com.dialgateway.v1.AllowNumberRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAllowNumberMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells for each number whether it is suppressed: by an operator, since when,
     * by whom and why, and by which lists of the guard file. Nothing is changed,
     * and no number that the caller does not name is told.
     * With a shared state the replica that answers reads it first, so that a
     * suppression which any replica has confirmed before the call is found. If it
     * cannot, which takes it a second to find out, CheckNumbersResponse.complete
     * is false, and numbers that it does not know are UNKNOWN.
     * Each call leaves an audit record with the counts, and without the numbers.
     * RESOURCE_EXHAUSTED: the call has more than 1,000 numbers; ask in parts.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.CheckNumbersResponse> checkNumbers(
        com.dialgateway.v1.CheckNumbersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCheckNumbersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells for each dial request what the gateway would do with it now, by the
     * rules for its fields, the policy, the operators' holds and the guard file.
     * Nothing is sent, counted or remembered, and client tokens are not compared
     * with earlier ones. A later dial request may be treated differently, since
     * hours close, numbers are suppressed, and calls count towards limits.
     * A caller may check what it may dial; requests of another campaign are
     * reported as REJECTED, ACCESS_DENIED, as they would be answered.
     * RESOURCE_EXHAUSTED: the list has more than 1,000 dial requests, or the
     * message more than 4 MiB; check it in parts.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.CheckDialRequestsResponse> checkDialRequests(
        com.dialgateway.v1.CheckDialRequestsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCheckDialRequestsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_SUPPRESS_NUMBER = 0;
  private static final int METHODID_ALLOW_NUMBER = 1;
  private static final int METHODID_CHECK_NUMBERS = 2;
  private static final int METHODID_CHECK_DIAL_REQUESTS = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_SUPPRESS_NUMBER:
          serviceImpl.suppressNumber((com.dialgateway.v1.SuppressNumberRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.SuppressNumberResponse>) responseObserver);
          break;
        case METHODID_ALLOW_NUMBER:
          serviceImpl.allowNumber((com.dialgateway.v1.AllowNumberRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.AllowNumberResponse>) responseObserver);
          break;
        case METHODID_CHECK_NUMBERS:
          serviceImpl.checkNumbers((com.dialgateway.v1.CheckNumbersRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckNumbersResponse>) responseObserver);
          break;
        case METHODID_CHECK_DIAL_REQUESTS:
          serviceImpl.checkDialRequests((com.dialgateway.v1.CheckDialRequestsRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.CheckDialRequestsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getSuppressNumberMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.SuppressNumberRequest,
              com.dialgateway.v1.SuppressNumberResponse>(
                service, METHODID_SUPPRESS_NUMBER)))
        .addMethod(
          getAllowNumberMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.AllowNumberRequest,
              com.dialgateway.v1.AllowNumberResponse>(
                service, METHODID_ALLOW_NUMBER)))
        .addMethod(
          getCheckNumbersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.CheckNumbersRequest,
              com.dialgateway.v1.CheckNumbersResponse>(
                service, METHODID_CHECK_NUMBERS)))
        .addMethod(
          getCheckDialRequestsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.CheckDialRequestsRequest,
              com.dialgateway.v1.CheckDialRequestsResponse>(
                service, METHODID_CHECK_DIAL_REQUESTS)))
        .build();
  }

  private static abstract class ComplianceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ComplianceServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return com.dialgateway.v1.ComplianceServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ComplianceService");
    }
  }

  private static final class ComplianceServiceFileDescriptorSupplier
      extends ComplianceServiceBaseDescriptorSupplier {
    ComplianceServiceFileDescriptorSupplier() {}
  }

  private static final class ComplianceServiceMethodDescriptorSupplier
      extends ComplianceServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ComplianceServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (ComplianceServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ComplianceServiceFileDescriptorSupplier())
              .addMethod(getSuppressNumberMethod())
              .addMethod(getAllowNumberMethod())
              .addMethod(getCheckNumbersMethod())
              .addMethod(getCheckDialRequestsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
