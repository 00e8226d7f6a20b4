package com.dialgateway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Takes dial requests and answers every one of them by its client token.
 * Both methods make the same promise: each dial request that the gateway reads
 * gets exactly one DialResult, whatever happens. An invalid dial request is
 * answered REJECTED; it never ends the call that carried it.
 * The in-doubt rule, for callers in any language. A call can end before all
 * its dial requests are answered: the gateway was killed, a connection broke, a
 * proxy gave up, a deadline passed. Amazon Connect may then have any request
 * that was written to that call and has no result. Send it again with the same
 * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
 * of the first attempt answers only for the second one. It may say REJECTED,
 * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
 * first attempt may have reached Amazon Connect and a phone may ring. An example:
 * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
 * is killed before it answers. The caller sends the request again to another
 * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
 * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
 * loses its connection, the gateway drops its waiting requests unsent, unless
 * another call waits for the same token. A call to Amazon Connect that is in
 * flight completes. The gateway remembers what Amazon Connect accepted, and
 * answers that if the token comes again. The caller cannot tell which of its
 * requests were dropped, so the in-doubt rule applies to all that have no result.
 * Do not set a deadline for a stream: it would cut the stream at that time.
 * Access. A gateway with a policy ends a call before it reads a request: with
 * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
 * with one, and with PERMISSION_DENIED if the policy does not name the caller or
 * lets it dial nothing. The same call would be refused again. A campaign that the
 * caller may not dial is no error of the call: its requests are REJECTED,
 * ACCESS_DENIED.
 * Every status other than OK that the gateway ends a call with has a reason in
 * its details: see ErrorReason in error_reason.proto.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class DialRequestServiceGrpc {

  private DialRequestServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "dialgateway.v1.DialRequestService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.StreamDialRequestsRequest,
      com.dialgateway.v1.StreamDialRequestsResponse> getStreamDialRequestsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamDialRequests",
      requestType = com.dialgateway.v1.StreamDialRequestsRequest.class,
      responseType = com.dialgateway.v1.StreamDialRequestsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.StreamDialRequestsRequest,
      com.dialgateway.v1.StreamDialRequestsResponse> getStreamDialRequestsMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.StreamDialRequestsRequest, com.dialgateway.v1.StreamDialRequestsResponse> getStreamDialRequestsMethod;
    if ((getStreamDialRequestsMethod = DialRequestServiceGrpc.getStreamDialRequestsMethod) == null) {
      synchronized (DialRequestServiceGrpc.class) {
        if ((getStreamDialRequestsMethod = DialRequestServiceGrpc.getStreamDialRequestsMethod) == null) {
          DialRequestServiceGrpc.getStreamDialRequestsMethod = getStreamDialRequestsMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.StreamDialRequestsRequest, com.dialgateway.v1.StreamDialRequestsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamDialRequests"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.StreamDialRequestsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.StreamDialRequestsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DialRequestServiceMethodDescriptorSupplier("StreamDialRequests"))
              .build();
        }
      }
    }
    return getStreamDialRequestsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.PutDialRequestsRequest,
      com.dialgateway.v1.PutDialRequestsResponse> getPutDialRequestsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PutDialRequests",
      requestType = com.dialgateway.v1.PutDialRequestsRequest.class,
      responseType = com.dialgateway.v1.PutDialRequestsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.PutDialRequestsRequest,
      com.dialgateway.v1.PutDialRequestsResponse> getPutDialRequestsMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.PutDialRequestsRequest, com.dialgateway.v1.PutDialRequestsResponse> getPutDialRequestsMethod;
    if ((getPutDialRequestsMethod = DialRequestServiceGrpc.getPutDialRequestsMethod) == null) {
      synchronized (DialRequestServiceGrpc.class) {
        if ((getPutDialRequestsMethod = DialRequestServiceGrpc.getPutDialRequestsMethod) == null) {
          DialRequestServiceGrpc.getPutDialRequestsMethod = getPutDialRequestsMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.PutDialRequestsRequest, com.dialgateway.v1.PutDialRequestsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PutDialRequests"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.PutDialRequestsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.PutDialRequestsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DialRequestServiceMethodDescriptorSupplier("PutDialRequests"))
              .build();
        }
      }
    }
    return getPutDialRequestsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static DialRequestServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceStub>() {
        @java.lang.Override
        public DialRequestServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DialRequestServiceStub(channel, callOptions);
        }
      };
    return DialRequestServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static DialRequestServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceBlockingV2Stub>() {
        @java.lang.Override
        public DialRequestServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DialRequestServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return DialRequestServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static DialRequestServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceBlockingStub>() {
        @java.lang.Override
        public DialRequestServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DialRequestServiceBlockingStub(channel, callOptions);
        }
      };
    return DialRequestServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static DialRequestServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DialRequestServiceFutureStub>() {
        @java.lang.Override
        public DialRequestServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DialRequestServiceFutureStub(channel, callOptions);
        }
      };
    return DialRequestServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * The main method: send dial requests at any time, for any number of
     * campaigns, and read the results as soon as they are known. Results arrive in
     * the order in which they are decided, not in the order of the requests.
     * Close your side when you have no more to send: the stream then ends with
     * OK after the last result. Read results while you send: at most a window
     * of unanswered requests (5,000 unless configured otherwise) is taken from
     * one stream, and the gateway stops reading it until you have read results.
     * UNAVAILABLE ends the stream when this replica shuts down, and when the stream
     * has reached its age (about 20 minutes unless configured otherwise), so that
     * load spreads to new replicas; a DRAINING notice precedes it. After the notice,
     * send nothing more on this stream, and read it to its end. Half-closing is not
     * necessary and has no effect. Send further requests at once on a new stream, on
     * a new connection: the old one leads to the same replica. Every request that
     * was read has been answered when the stream ends. Requests that you had sent,
     * and that were not read, come back without a result: send them again, with the
     * same tokens. A stream that has half-closed is not ended for its age.
     * RESOURCE_EXHAUSTED: you, or all callers together, have the maximum number of
     * streams open (reason STREAM_LIMIT), or a message has more than 4 MiB
     * (MESSAGE_TOO_LARGE).
     * A stream that ends in any other way (INTERNAL, CANCELLED by somebody else,
     * UNKNOWN, or UNAVAILABLE without the notice) was cut, by the end of a gateway
     * or by a proxy between you and it. Open a new stream, and send the requests
     * without a result again, with the same tokens and with in_doubt set.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<com.dialgateway.v1.StreamDialRequestsRequest> streamDialRequests(
        io.grpc.stub.StreamObserver<com.dialgateway.v1.StreamDialRequestsResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getStreamDialRequestsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Dials one short list, for callers without a stream. Returns when all
     * requests are answered, with the results in the order of the requests.
     * Shortly before the caller's deadline it returns the known results, and the
     * rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE: set a deadline some
     * seconds longer than the longest wait that you accept.
     * RESOURCE_EXHAUSTED: the gateway is full (reason OVERLOADED), you have the
     * maximum number of unanswered requests (CALLER_WINDOW) or of open calls
     * (STREAM_LIMIT), the list is longer than a stream's window (LIST_TOO_LONG), or
     * it has more than 4 MiB (MESSAGE_TOO_LARGE); none of its requests was taken.
     * UNAVAILABLE with the reason DRAINING: this replica is shutting down; none of
     * its requests was taken. UNAVAILABLE without a reason: a connection broke, and
     * the in-doubt rule applies.
     * </pre>
     */
    default void putDialRequests(com.dialgateway.v1.PutDialRequestsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.PutDialRequestsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPutDialRequestsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service DialRequestService.
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public static abstract class DialRequestServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return DialRequestServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service DialRequestService.
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public static final class DialRequestServiceStub
      extends io.grpc.stub.AbstractAsyncStub<DialRequestServiceStub> {
    private DialRequestServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DialRequestServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DialRequestServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * The main method: send dial requests at any time, for any number of
     * campaigns, and read the results as soon as they are known. Results arrive in
     * the order in which they are decided, not in the order of the requests.
     * Close your side when you have no more to send: the stream then ends with
     * OK after the last result. Read results while you send: at most a window
     * of unanswered requests (5,000 unless configured otherwise) is taken from
     * one stream, and the gateway stops reading it until you have read results.
     * UNAVAILABLE ends the stream when this replica shuts down, and when the stream
     * has reached its age (about 20 minutes unless configured otherwise), so that
     * load spreads to new replicas; a DRAINING notice precedes it. After the notice,
     * send nothing more on this stream, and read it to its end. Half-closing is not
     * necessary and has no effect. Send further requests at once on a new stream, on
     * a new connection: the old one leads to the same replica. Every request that
     * was read has been answered when the stream ends. Requests that you had sent,
     * and that were not read, come back without a result: send them again, with the
     * same tokens. A stream that has half-closed is not ended for its age.
     * RESOURCE_EXHAUSTED: you, or all callers together, have the maximum number of
     * streams open (reason STREAM_LIMIT), or a message has more than 4 MiB
     * (MESSAGE_TOO_LARGE).
     * A stream that ends in any other way (INTERNAL, CANCELLED by somebody else,
     * UNKNOWN, or UNAVAILABLE without the notice) was cut, by the end of a gateway
     * or by a proxy between you and it. Open a new stream, and send the requests
     * without a result again, with the same tokens and with in_doubt set.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<com.dialgateway.v1.StreamDialRequestsRequest> streamDialRequests(
        io.grpc.stub.StreamObserver<com.dialgateway.v1.StreamDialRequestsResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getStreamDialRequestsMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Dials one short list, for callers without a stream. Returns when all
     * requests are answered, with the results in the order of the requests.
     * Shortly before the caller's deadline it returns the known results, and the
     * rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE: set a deadline some
     * seconds longer than the longest wait that you accept.
     * RESOURCE_EXHAUSTED: the gateway is full (reason OVERLOADED), you have the
     * maximum number of unanswered requests (CALLER_WINDOW) or of open calls
     * (STREAM_LIMIT), the list is longer than a stream's window (LIST_TOO_LONG), or
     * it has more than 4 MiB (MESSAGE_TOO_LARGE); none of its requests was taken.
     * UNAVAILABLE with the reason DRAINING: this replica is shutting down; none of
     * its requests was taken. UNAVAILABLE without a reason: a connection broke, and
     * the in-doubt rule applies.
     * </pre>
     */
    public void putDialRequests(com.dialgateway.v1.PutDialRequestsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.PutDialRequestsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPutDialRequestsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service DialRequestService.
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public static final class DialRequestServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<DialRequestServiceBlockingV2Stub> {
    private DialRequestServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DialRequestServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DialRequestServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * The main method: send dial requests at any time, for any number of
     * campaigns, and read the results as soon as they are known. Results arrive in
     * the order in which they are decided, not in the order of the requests.
     * Close your side when you have no more to send: the stream then ends with
     * OK after the last result. Read results while you send: at most a window
     * of unanswered requests (5,000 unless configured otherwise) is taken from
     * one stream, and the gateway stops reading it until you have read results.
     * UNAVAILABLE ends the stream when this replica shuts down, and when the stream
     * has reached its age (about 20 minutes unless configured otherwise), so that
     * load spreads to new replicas; a DRAINING notice precedes it. After the notice,
     * send nothing more on this stream, and read it to its end. Half-closing is not
     * necessary and has no effect. Send further requests at once on a new stream, on
     * a new connection: the old one leads to the same replica. Every request that
     * was read has been answered when the stream ends. Requests that you had sent,
     * and that were not read, come back without a result: send them again, with the
     * same tokens. A stream that has half-closed is not ended for its age.
     * RESOURCE_EXHAUSTED: you, or all callers together, have the maximum number of
     * streams open (reason STREAM_LIMIT), or a message has more than 4 MiB
     * (MESSAGE_TOO_LARGE).
     * A stream that ends in any other way (INTERNAL, CANCELLED by somebody else,
     * UNKNOWN, or UNAVAILABLE without the notice) was cut, by the end of a gateway
     * or by a proxy between you and it. Open a new stream, and send the requests
     * without a result again, with the same tokens and with in_doubt set.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<com.dialgateway.v1.StreamDialRequestsRequest, com.dialgateway.v1.StreamDialRequestsResponse>
        streamDialRequests() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getStreamDialRequestsMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Dials one short list, for callers without a stream. Returns when all
     * requests are answered, with the results in the order of the requests.
     * Shortly before the caller's deadline it returns the known results, and the
     * rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE: set a deadline some
     * seconds longer than the longest wait that you accept.
     * RESOURCE_EXHAUSTED: the gateway is full (reason OVERLOADED), you have the
     * maximum number of unanswered requests (CALLER_WINDOW) or of open calls
     * (STREAM_LIMIT), the list is longer than a stream's window (LIST_TOO_LONG), or
     * it has more than 4 MiB (MESSAGE_TOO_LARGE); none of its requests was taken.
     * UNAVAILABLE with the reason DRAINING: this replica is shutting down; none of
     * its requests was taken. UNAVAILABLE without a reason: a connection broke, and
     * the in-doubt rule applies.
     * </pre>
     */
    public com.dialgateway.v1.PutDialRequestsResponse putDialRequests(com.dialgateway.v1.PutDialRequestsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPutDialRequestsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service DialRequestService.
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public static final class DialRequestServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<DialRequestServiceBlockingStub> {
    private DialRequestServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DialRequestServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DialRequestServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Dials one short list, for callers without a stream. Returns when all
     * requests are answered, with the results in the order of the requests.
     * Shortly before the caller's deadline it returns the known results, and the
     * rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE: set a deadline some
     * seconds longer than the longest wait that you accept.
     * RESOURCE_EXHAUSTED: the gateway is full (reason OVERLOADED), you have the
     * maximum number of unanswered requests (CALLER_WINDOW) or of open calls
     * (STREAM_LIMIT), the list is longer than a stream's window (LIST_TOO_LONG), or
     * it has more than 4 MiB (MESSAGE_TOO_LARGE); none of its requests was taken.
     * UNAVAILABLE with the reason DRAINING: this replica is shutting down; none of
     * its requests was taken. UNAVAILABLE without a reason: a connection broke, and
     * the in-doubt rule applies.
     * </pre>
     */
    public com.dialgateway.v1.PutDialRequestsResponse putDialRequests(com.dialgateway.v1.PutDialRequestsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPutDialRequestsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service DialRequestService.
   * <pre>
   * Takes dial requests and answers every one of them by its client token.
   * Both methods make the same promise: each dial request that the gateway reads
   * gets exactly one DialResult, whatever happens. An invalid dial request is
   * answered REJECTED; it never ends the call that carried it.
   * The in-doubt rule, for callers in any language. A call can end before all
   * its dial requests are answered: the gateway was killed, a connection broke, a
   * proxy gave up, a deadline passed. Amazon Connect may then have any request
   * that was written to that call and has no result. Send it again with the same
   * token, and set DialRequest.in_doubt. Without it, a gateway that knows nothing
   * of the first attempt answers only for the second one. It may say REJECTED,
   * EXPIRED or NOT_ACCEPTED, which all mean that nobody is dialed, although the
   * first attempt may have reached Amazon Connect and a phone may ring. An example:
   * a gateway sends a request to Amazon Connect, which accepts it, and the gateway
   * is killed before it answers. The caller sends the request again to another
   * replica, which holds the campaign. That replica answers NOT_ACCEPTED, HELD.
   * Cancellation and deadlines. When a call is cancelled, exceeds its deadline or
   * loses its connection, the gateway drops its waiting requests unsent, unless
   * another call waits for the same token. A call to Amazon Connect that is in
   * flight completes. The gateway remembers what Amazon Connect accepted, and
   * answers that if the token comes again. The caller cannot tell which of its
   * requests were dropped, so the in-doubt rule applies to all that have no result.
   * Do not set a deadline for a stream: it would cut the stream at that time.
   * Access. A gateway with a policy ends a call before it reads a request: with
   * UNAUTHENTICATED if the caller shows no identity, such as a client certificate
   * with one, and with PERMISSION_DENIED if the policy does not name the caller or
   * lets it dial nothing. The same call would be refused again. A campaign that the
   * caller may not dial is no error of the call: its requests are REJECTED,
   * ACCESS_DENIED.
   * Every status other than OK that the gateway ends a call with has a reason in
   * its details: see ErrorReason in error_reason.proto.
   * </pre>
   */
  public static final class DialRequestServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<DialRequestServiceFutureStub> {
    private DialRequestServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DialRequestServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DialRequestServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Dials one short list, for callers without a stream. Returns when all
     * requests are answered, with the results in the order of the requests.
     * Shortly before the caller's deadline it returns the known results, and the
     * rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE: set a deadline some
     * seconds longer than the longest wait that you accept.
     * RESOURCE_EXHAUSTED: the gateway is full (reason OVERLOADED), you have the
     * maximum number of unanswered requests (CALLER_WINDOW) or of open calls
     * (STREAM_LIMIT), the list is longer than a stream's window (LIST_TOO_LONG), or
     * it has more than 4 MiB (MESSAGE_TOO_LARGE); none of its requests was taken.
     * UNAVAILABLE with the reason DRAINING: this replica is shutting down; none of
     * its requests was taken. UNAVAILABLE without a reason: a connection broke, and
     * the in-doubt rule applies.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.PutDialRequestsResponse> putDialRequests(
        com.dialgateway.v1.PutDialRequestsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPutDialRequestsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_PUT_DIAL_REQUESTS = 0;
  private static final int METHODID_STREAM_DIAL_REQUESTS = 1;

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
        case METHODID_PUT_DIAL_REQUESTS:
          serviceImpl.putDialRequests((com.dialgateway.v1.PutDialRequestsRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.PutDialRequestsResponse>) responseObserver);
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
        case METHODID_STREAM_DIAL_REQUESTS:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.streamDialRequests(
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.StreamDialRequestsResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getStreamDialRequestsMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              com.dialgateway.v1.StreamDialRequestsRequest,
              com.dialgateway.v1.StreamDialRequestsResponse>(
                service, METHODID_STREAM_DIAL_REQUESTS)))
        .addMethod(
          getPutDialRequestsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.PutDialRequestsRequest,
              com.dialgateway.v1.PutDialRequestsResponse>(
                service, METHODID_PUT_DIAL_REQUESTS)))
        .build();
  }

  private static abstract class DialRequestServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    DialRequestServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return com.dialgateway.v1.DialRequestServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("DialRequestService");
    }
  }

  private static final class DialRequestServiceFileDescriptorSupplier
      extends DialRequestServiceBaseDescriptorSupplier {
    DialRequestServiceFileDescriptorSupplier() {}
  }

  private static final class DialRequestServiceMethodDescriptorSupplier
      extends DialRequestServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    DialRequestServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (DialRequestServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new DialRequestServiceFileDescriptorSupplier())
              .addMethod(getStreamDialRequestsMethod())
              .addMethod(getPutDialRequestsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
