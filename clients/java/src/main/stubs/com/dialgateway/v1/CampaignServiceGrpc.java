package com.dialgateway.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Shows the campaigns of a gateway, and lets operators hold, release and purge
 * them.
 * If the replicas share a state (Valkey or Redis), every method applies to all
 * of them, whichever replica answers the call: holds and purges reach every
 * replica, holds outlive all processes, and listings add up the replicas.
 * Without a shared state, all methods apply only to the replica that answers
 * the call: each lists its own dial requests, a campaign must be held on each,
 * and holds are kept in memory and end with the process.
 * A campaign is listed while it has dial requests here, does not flow, is
 * held, or was active within the last quarter of an hour. At most 10,000 idle
 * campaigns are remembered.
 * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
 * a policy, UNAUTHENTICATED means that the caller shows no identity, and
 * PERMISSION_DENIED that the policy does not name it or does not let it act on
 * this campaign. Campaigns that a caller may not see are missing in its listings.
 * Every status other than OK has a reason in its details: see ErrorReason in
 * error_reason.proto.
 * A hold, release or purge that has begun is completed even if its call is
 * cancelled or exceeds its deadline. It may be requested again.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class CampaignServiceGrpc {

  private CampaignServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "dialgateway.v1.CampaignService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.ListCampaignsRequest,
      com.dialgateway.v1.ListCampaignsResponse> getListCampaignsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListCampaigns",
      requestType = com.dialgateway.v1.ListCampaignsRequest.class,
      responseType = com.dialgateway.v1.ListCampaignsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.ListCampaignsRequest,
      com.dialgateway.v1.ListCampaignsResponse> getListCampaignsMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.ListCampaignsRequest, com.dialgateway.v1.ListCampaignsResponse> getListCampaignsMethod;
    if ((getListCampaignsMethod = CampaignServiceGrpc.getListCampaignsMethod) == null) {
      synchronized (CampaignServiceGrpc.class) {
        if ((getListCampaignsMethod = CampaignServiceGrpc.getListCampaignsMethod) == null) {
          CampaignServiceGrpc.getListCampaignsMethod = getListCampaignsMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.ListCampaignsRequest, com.dialgateway.v1.ListCampaignsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListCampaigns"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.ListCampaignsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.ListCampaignsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CampaignServiceMethodDescriptorSupplier("ListCampaigns"))
              .build();
        }
      }
    }
    return getListCampaignsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.WatchCampaignsRequest,
      com.dialgateway.v1.WatchCampaignsResponse> getWatchCampaignsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchCampaigns",
      requestType = com.dialgateway.v1.WatchCampaignsRequest.class,
      responseType = com.dialgateway.v1.WatchCampaignsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.WatchCampaignsRequest,
      com.dialgateway.v1.WatchCampaignsResponse> getWatchCampaignsMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.WatchCampaignsRequest, com.dialgateway.v1.WatchCampaignsResponse> getWatchCampaignsMethod;
    if ((getWatchCampaignsMethod = CampaignServiceGrpc.getWatchCampaignsMethod) == null) {
      synchronized (CampaignServiceGrpc.class) {
        if ((getWatchCampaignsMethod = CampaignServiceGrpc.getWatchCampaignsMethod) == null) {
          CampaignServiceGrpc.getWatchCampaignsMethod = getWatchCampaignsMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.WatchCampaignsRequest, com.dialgateway.v1.WatchCampaignsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchCampaigns"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.WatchCampaignsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.WatchCampaignsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CampaignServiceMethodDescriptorSupplier("WatchCampaigns"))
              .build();
        }
      }
    }
    return getWatchCampaignsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.HoldCampaignRequest,
      com.dialgateway.v1.HoldCampaignResponse> getHoldCampaignMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "HoldCampaign",
      requestType = com.dialgateway.v1.HoldCampaignRequest.class,
      responseType = com.dialgateway.v1.HoldCampaignResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.HoldCampaignRequest,
      com.dialgateway.v1.HoldCampaignResponse> getHoldCampaignMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.HoldCampaignRequest, com.dialgateway.v1.HoldCampaignResponse> getHoldCampaignMethod;
    if ((getHoldCampaignMethod = CampaignServiceGrpc.getHoldCampaignMethod) == null) {
      synchronized (CampaignServiceGrpc.class) {
        if ((getHoldCampaignMethod = CampaignServiceGrpc.getHoldCampaignMethod) == null) {
          CampaignServiceGrpc.getHoldCampaignMethod = getHoldCampaignMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.HoldCampaignRequest, com.dialgateway.v1.HoldCampaignResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "HoldCampaign"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.HoldCampaignRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.HoldCampaignResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CampaignServiceMethodDescriptorSupplier("HoldCampaign"))
              .build();
        }
      }
    }
    return getHoldCampaignMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.ReleaseCampaignRequest,
      com.dialgateway.v1.ReleaseCampaignResponse> getReleaseCampaignMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReleaseCampaign",
      requestType = com.dialgateway.v1.ReleaseCampaignRequest.class,
      responseType = com.dialgateway.v1.ReleaseCampaignResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.ReleaseCampaignRequest,
      com.dialgateway.v1.ReleaseCampaignResponse> getReleaseCampaignMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.ReleaseCampaignRequest, com.dialgateway.v1.ReleaseCampaignResponse> getReleaseCampaignMethod;
    if ((getReleaseCampaignMethod = CampaignServiceGrpc.getReleaseCampaignMethod) == null) {
      synchronized (CampaignServiceGrpc.class) {
        if ((getReleaseCampaignMethod = CampaignServiceGrpc.getReleaseCampaignMethod) == null) {
          CampaignServiceGrpc.getReleaseCampaignMethod = getReleaseCampaignMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.ReleaseCampaignRequest, com.dialgateway.v1.ReleaseCampaignResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReleaseCampaign"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.ReleaseCampaignRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.ReleaseCampaignResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CampaignServiceMethodDescriptorSupplier("ReleaseCampaign"))
              .build();
        }
      }
    }
    return getReleaseCampaignMethod;
  }

  private static volatile io.grpc.MethodDescriptor<com.dialgateway.v1.PurgeCampaignRequest,
      com.dialgateway.v1.PurgeCampaignResponse> getPurgeCampaignMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PurgeCampaign",
      requestType = com.dialgateway.v1.PurgeCampaignRequest.class,
      responseType = com.dialgateway.v1.PurgeCampaignResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<com.dialgateway.v1.PurgeCampaignRequest,
      com.dialgateway.v1.PurgeCampaignResponse> getPurgeCampaignMethod() {
    io.grpc.MethodDescriptor<com.dialgateway.v1.PurgeCampaignRequest, com.dialgateway.v1.PurgeCampaignResponse> getPurgeCampaignMethod;
    if ((getPurgeCampaignMethod = CampaignServiceGrpc.getPurgeCampaignMethod) == null) {
      synchronized (CampaignServiceGrpc.class) {
        if ((getPurgeCampaignMethod = CampaignServiceGrpc.getPurgeCampaignMethod) == null) {
          CampaignServiceGrpc.getPurgeCampaignMethod = getPurgeCampaignMethod =
              io.grpc.MethodDescriptor.<com.dialgateway.v1.PurgeCampaignRequest, com.dialgateway.v1.PurgeCampaignResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PurgeCampaign"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.PurgeCampaignRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.dialgateway.v1.PurgeCampaignResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CampaignServiceMethodDescriptorSupplier("PurgeCampaign"))
              .build();
        }
      }
    }
    return getPurgeCampaignMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static CampaignServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CampaignServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CampaignServiceStub>() {
        @java.lang.Override
        public CampaignServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CampaignServiceStub(channel, callOptions);
        }
      };
    return CampaignServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static CampaignServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CampaignServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CampaignServiceBlockingV2Stub>() {
        @java.lang.Override
        public CampaignServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CampaignServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return CampaignServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static CampaignServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CampaignServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CampaignServiceBlockingStub>() {
        @java.lang.Override
        public CampaignServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CampaignServiceBlockingStub(channel, callOptions);
        }
      };
    return CampaignServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static CampaignServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CampaignServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CampaignServiceFutureStub>() {
        @java.lang.Override
        public CampaignServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CampaignServiceFutureStub(channel, callOptions);
        }
      };
    return CampaignServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Lists campaigns in the order of their ids, page by page. A page is a
     * snapshot at the time of its call; the list may change between two pages.
     * </pre>
     */
    default void listCampaigns(com.dialgateway.v1.ListCampaignsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.ListCampaignsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListCampaignsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sends the state of all campaigns, then all changes, until the caller
     * cancels. A slow reader gets the latest state when it is ready and misses
     * intermediate states; the gateway queues nothing for it.
     * RESOURCE_EXHAUSTED: there are too many watches already. UNAVAILABLE ends the call when
     * this replica shuts down.
     * </pre>
     */
    default void watchCampaigns(com.dialgateway.v1.WatchCampaignsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.WatchCampaignsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchCampaignsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Holds a campaign: the gateway sends no further call to Amazon Connect for
     * it, and makes no further attempt of a failing call. Calls in flight
     * complete. Streams with dial requests for it get the notice CAMPAIGN_HELD. A
     * campaign without dial requests can be held in advance. A second hold
     * replaces the first: its caller, its reason and its treatment of dial
     * requests.
     * With a shared state the call returns when all replicas hold the campaign,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * RESOURCE_EXHAUSTED: the maximum number of campaigns (1,000) is held.
     * </pre>
     */
    default void holdCampaign(com.dialgateway.v1.HoldCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.HoldCampaignResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getHoldCampaignMethod(), responseObserver);
    }

    /**
     * <pre>
     * Releases a campaign, so that its calls are sent again. Streams that got the
     * notice of the hold get CAMPAIGN_RESUMED, or a notice with another reason
     * why the campaign does not flow.
     * NOT_FOUND: the campaign is not held. FAILED_PRECONDITION: the shared state
     * does not answer, so the campaign stays held until it is back.
     * </pre>
     */
    default void releaseCampaign(com.dialgateway.v1.ReleaseCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.ReleaseCampaignResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReleaseCampaignMethod(), responseObserver);
    }

    /**
     * <pre>
     * Answers the queued dial requests of a campaign with NOT_ACCEPTED, PURGED.
     * Requests that Amazon Connect may have from an earlier attempt get UNKNOWN,
     * PURGED. The purge does not affect requests in a call, and requests that
     * arrive later: hold the campaign first to stop those.
     * </pre>
     */
    default void purgeCampaign(com.dialgateway.v1.PurgeCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.PurgeCampaignResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPurgeCampaignMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service CampaignService.
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public static abstract class CampaignServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return CampaignServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service CampaignService.
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public static final class CampaignServiceStub
      extends io.grpc.stub.AbstractAsyncStub<CampaignServiceStub> {
    private CampaignServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CampaignServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CampaignServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists campaigns in the order of their ids, page by page. A page is a
     * snapshot at the time of its call; the list may change between two pages.
     * </pre>
     */
    public void listCampaigns(com.dialgateway.v1.ListCampaignsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.ListCampaignsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListCampaignsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Sends the state of all campaigns, then all changes, until the caller
     * cancels. A slow reader gets the latest state when it is ready and misses
     * intermediate states; the gateway queues nothing for it.
     * RESOURCE_EXHAUSTED: there are too many watches already. UNAVAILABLE ends the call when
     * this replica shuts down.
     * </pre>
     */
    public void watchCampaigns(com.dialgateway.v1.WatchCampaignsRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.WatchCampaignsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchCampaignsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Holds a campaign: the gateway sends no further call to Amazon Connect for
     * it, and makes no further attempt of a failing call. Calls in flight
     * complete. Streams with dial requests for it get the notice CAMPAIGN_HELD. A
     * campaign without dial requests can be held in advance. A second hold
     * replaces the first: its caller, its reason and its treatment of dial
     * requests.
     * With a shared state the call returns when all replicas hold the campaign,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * RESOURCE_EXHAUSTED: the maximum number of campaigns (1,000) is held.
     * </pre>
     */
    public void holdCampaign(com.dialgateway.v1.HoldCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.HoldCampaignResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getHoldCampaignMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Releases a campaign, so that its calls are sent again. Streams that got the
     * notice of the hold get CAMPAIGN_RESUMED, or a notice with another reason
     * why the campaign does not flow.
     * NOT_FOUND: the campaign is not held. FAILED_PRECONDITION: the shared state
     * does not answer, so the campaign stays held until it is back.
     * </pre>
     */
    public void releaseCampaign(com.dialgateway.v1.ReleaseCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.ReleaseCampaignResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReleaseCampaignMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Answers the queued dial requests of a campaign with NOT_ACCEPTED, PURGED.
     * Requests that Amazon Connect may have from an earlier attempt get UNKNOWN,
     * PURGED. The purge does not affect requests in a call, and requests that
     * arrive later: hold the campaign first to stop those.
     * </pre>
     */
    public void purgeCampaign(com.dialgateway.v1.PurgeCampaignRequest request,
        io.grpc.stub.StreamObserver<com.dialgateway.v1.PurgeCampaignResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPurgeCampaignMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service CampaignService.
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public static final class CampaignServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<CampaignServiceBlockingV2Stub> {
    private CampaignServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CampaignServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CampaignServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists campaigns in the order of their ids, page by page. A page is a
     * snapshot at the time of its call; the list may change between two pages.
     * </pre>
     */
    public com.dialgateway.v1.ListCampaignsResponse listCampaigns(com.dialgateway.v1.ListCampaignsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListCampaignsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the state of all campaigns, then all changes, until the caller
     * cancels. A slow reader gets the latest state when it is ready and misses
     * intermediate states; the gateway queues nothing for it.
     * RESOURCE_EXHAUSTED: there are too many watches already. UNAVAILABLE ends the call when
     * this replica shuts down.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, com.dialgateway.v1.WatchCampaignsResponse>
        watchCampaigns(com.dialgateway.v1.WatchCampaignsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchCampaignsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds a campaign: the gateway sends no further call to Amazon Connect for
     * it, and makes no further attempt of a failing call. Calls in flight
     * complete. Streams with dial requests for it get the notice CAMPAIGN_HELD. A
     * campaign without dial requests can be held in advance. A second hold
     * replaces the first: its caller, its reason and its treatment of dial
     * requests.
     * With a shared state the call returns when all replicas hold the campaign,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * RESOURCE_EXHAUSTED: the maximum number of campaigns (1,000) is held.
     * </pre>
     */
    public com.dialgateway.v1.HoldCampaignResponse holdCampaign(com.dialgateway.v1.HoldCampaignRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getHoldCampaignMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Releases a campaign, so that its calls are sent again. Streams that got the
     * notice of the hold get CAMPAIGN_RESUMED, or a notice with another reason
     * why the campaign does not flow.
     * NOT_FOUND: the campaign is not held. FAILED_PRECONDITION: the shared state
     * does not answer, so the campaign stays held until it is back.
     * </pre>
     */
    public com.dialgateway.v1.ReleaseCampaignResponse releaseCampaign(com.dialgateway.v1.ReleaseCampaignRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReleaseCampaignMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Answers the queued dial requests of a campaign with NOT_ACCEPTED, PURGED.
     * Requests that Amazon Connect may have from an earlier attempt get UNKNOWN,
     * PURGED. The purge does not affect requests in a call, and requests that
     * arrive later: hold the campaign first to stop those.
     * </pre>
     */
    public com.dialgateway.v1.PurgeCampaignResponse purgeCampaign(com.dialgateway.v1.PurgeCampaignRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPurgeCampaignMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service CampaignService.
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public static final class CampaignServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<CampaignServiceBlockingStub> {
    private CampaignServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CampaignServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CampaignServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists campaigns in the order of their ids, page by page. A page is a
     * snapshot at the time of its call; the list may change between two pages.
     * </pre>
     */
    public com.dialgateway.v1.ListCampaignsResponse listCampaigns(com.dialgateway.v1.ListCampaignsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListCampaignsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends the state of all campaigns, then all changes, until the caller
     * cancels. A slow reader gets the latest state when it is ready and misses
     * intermediate states; the gateway queues nothing for it.
     * RESOURCE_EXHAUSTED: there are too many watches already. UNAVAILABLE ends the call when
     * this replica shuts down.
     * </pre>
     */
    public java.util.Iterator<com.dialgateway.v1.WatchCampaignsResponse> watchCampaigns(
        com.dialgateway.v1.WatchCampaignsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchCampaignsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds a campaign: the gateway sends no further call to Amazon Connect for
     * it, and makes no further attempt of a failing call. Calls in flight
     * complete. Streams with dial requests for it get the notice CAMPAIGN_HELD. A
     * campaign without dial requests can be held in advance. A second hold
     * replaces the first: its caller, its reason and its treatment of dial
     * requests.
     * With a shared state the call returns when all replicas hold the campaign,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * RESOURCE_EXHAUSTED: the maximum number of campaigns (1,000) is held.
     * </pre>
     */
    public com.dialgateway.v1.HoldCampaignResponse holdCampaign(com.dialgateway.v1.HoldCampaignRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getHoldCampaignMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Releases a campaign, so that its calls are sent again. Streams that got the
     * notice of the hold get CAMPAIGN_RESUMED, or a notice with another reason
     * why the campaign does not flow.
     * NOT_FOUND: the campaign is not held. FAILED_PRECONDITION: the shared state
     * does not answer, so the campaign stays held until it is back.
     * </pre>
     */
    public com.dialgateway.v1.ReleaseCampaignResponse releaseCampaign(com.dialgateway.v1.ReleaseCampaignRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReleaseCampaignMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Answers the queued dial requests of a campaign with NOT_ACCEPTED, PURGED.
     * Requests that Amazon Connect may have from an earlier attempt get UNKNOWN,
     * PURGED. The purge does not affect requests in a call, and requests that
     * arrive later: hold the campaign first to stop those.
     * </pre>
     */
    public com.dialgateway.v1.PurgeCampaignResponse purgeCampaign(com.dialgateway.v1.PurgeCampaignRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPurgeCampaignMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service CampaignService.
   * <pre>
   * Shows the campaigns of a gateway, and lets operators hold, release and purge
   * them.
   * If the replicas share a state (Valkey or Redis), every method applies to all
   * of them, whichever replica answers the call: holds and purges reach every
   * replica, holds outlive all processes, and listings add up the replicas.
   * Without a shared state, all methods apply only to the replica that answers
   * the call: each lists its own dial requests, a campaign must be held on each,
   * and holds are kept in memory and end with the process.
   * A campaign is listed while it has dial requests here, does not flow, is
   * held, or was active within the last quarter of an hour. At most 10,000 idle
   * campaigns are remembered.
   * INVALID_ARGUMENT names the field and the rule that it breaks. On a gateway with
   * a policy, UNAUTHENTICATED means that the caller shows no identity, and
   * PERMISSION_DENIED that the policy does not name it or does not let it act on
   * this campaign. Campaigns that a caller may not see are missing in its listings.
   * Every status other than OK has a reason in its details: see ErrorReason in
   * error_reason.proto.
   * A hold, release or purge that has begun is completed even if its call is
   * cancelled or exceeds its deadline. It may be requested again.
   * </pre>
   */
  public static final class CampaignServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<CampaignServiceFutureStub> {
    private CampaignServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CampaignServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CampaignServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists campaigns in the order of their ids, page by page. A page is a
     * snapshot at the time of its call; the list may change between two pages.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.ListCampaignsResponse> listCampaigns(
        com.dialgateway.v1.ListCampaignsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListCampaignsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Holds a campaign: the gateway sends no further call to Amazon Connect for
     * it, and makes no further attempt of a failing call. Calls in flight
     * complete. Streams with dial requests for it get the notice CAMPAIGN_HELD. A
     * campaign without dial requests can be held in advance. A second hold
     * replaces the first: its caller, its reason and its treatment of dial
     * requests.
     * With a shared state the call returns when all replicas hold the campaign,
     * usually within half a second. It waits at most about a second for replicas
     * that do not confirm, and names them.
     * RESOURCE_EXHAUSTED: the maximum number of campaigns (1,000) is held.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.HoldCampaignResponse> holdCampaign(
        com.dialgateway.v1.HoldCampaignRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getHoldCampaignMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Releases a campaign, so that its calls are sent again. Streams that got the
     * notice of the hold get CAMPAIGN_RESUMED, or a notice with another reason
     * why the campaign does not flow.
     * NOT_FOUND: the campaign is not held. FAILED_PRECONDITION: the shared state
     * does not answer, so the campaign stays held until it is back.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.ReleaseCampaignResponse> releaseCampaign(
        com.dialgateway.v1.ReleaseCampaignRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReleaseCampaignMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Answers the queued dial requests of a campaign with NOT_ACCEPTED, PURGED.
     * Requests that Amazon Connect may have from an earlier attempt get UNKNOWN,
     * PURGED. The purge does not affect requests in a call, and requests that
     * arrive later: hold the campaign first to stop those.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.dialgateway.v1.PurgeCampaignResponse> purgeCampaign(
        com.dialgateway.v1.PurgeCampaignRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPurgeCampaignMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_CAMPAIGNS = 0;
  private static final int METHODID_WATCH_CAMPAIGNS = 1;
  private static final int METHODID_HOLD_CAMPAIGN = 2;
  private static final int METHODID_RELEASE_CAMPAIGN = 3;
  private static final int METHODID_PURGE_CAMPAIGN = 4;

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
        case METHODID_LIST_CAMPAIGNS:
          serviceImpl.listCampaigns((com.dialgateway.v1.ListCampaignsRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.ListCampaignsResponse>) responseObserver);
          break;
        case METHODID_WATCH_CAMPAIGNS:
          serviceImpl.watchCampaigns((com.dialgateway.v1.WatchCampaignsRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.WatchCampaignsResponse>) responseObserver);
          break;
        case METHODID_HOLD_CAMPAIGN:
          serviceImpl.holdCampaign((com.dialgateway.v1.HoldCampaignRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.HoldCampaignResponse>) responseObserver);
          break;
        case METHODID_RELEASE_CAMPAIGN:
          serviceImpl.releaseCampaign((com.dialgateway.v1.ReleaseCampaignRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.ReleaseCampaignResponse>) responseObserver);
          break;
        case METHODID_PURGE_CAMPAIGN:
          serviceImpl.purgeCampaign((com.dialgateway.v1.PurgeCampaignRequest) request,
              (io.grpc.stub.StreamObserver<com.dialgateway.v1.PurgeCampaignResponse>) responseObserver);
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
          getListCampaignsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.ListCampaignsRequest,
              com.dialgateway.v1.ListCampaignsResponse>(
                service, METHODID_LIST_CAMPAIGNS)))
        .addMethod(
          getWatchCampaignsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              com.dialgateway.v1.WatchCampaignsRequest,
              com.dialgateway.v1.WatchCampaignsResponse>(
                service, METHODID_WATCH_CAMPAIGNS)))
        .addMethod(
          getHoldCampaignMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.HoldCampaignRequest,
              com.dialgateway.v1.HoldCampaignResponse>(
                service, METHODID_HOLD_CAMPAIGN)))
        .addMethod(
          getReleaseCampaignMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.ReleaseCampaignRequest,
              com.dialgateway.v1.ReleaseCampaignResponse>(
                service, METHODID_RELEASE_CAMPAIGN)))
        .addMethod(
          getPurgeCampaignMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              com.dialgateway.v1.PurgeCampaignRequest,
              com.dialgateway.v1.PurgeCampaignResponse>(
                service, METHODID_PURGE_CAMPAIGN)))
        .build();
  }

  private static abstract class CampaignServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    CampaignServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return com.dialgateway.v1.CampaignServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("CampaignService");
    }
  }

  private static final class CampaignServiceFileDescriptorSupplier
      extends CampaignServiceBaseDescriptorSupplier {
    CampaignServiceFileDescriptorSupplier() {}
  }

  private static final class CampaignServiceMethodDescriptorSupplier
      extends CampaignServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    CampaignServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (CampaignServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new CampaignServiceFileDescriptorSupplier())
              .addMethod(getListCampaignsMethod())
              .addMethod(getWatchCampaignsMethod())
              .addMethod(getHoldCampaignMethod())
              .addMethod(getReleaseCampaignMethod())
              .addMethod(getPurgeCampaignMethod())
              .build();
        }
      }
    }
    return result;
  }
}
