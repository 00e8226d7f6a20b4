package com.dialgateway;

import com.dialgateway.v1.CampaignServiceGrpc;
import com.dialgateway.v1.HoldCampaignRequest;
import com.dialgateway.v1.HoldCampaignResponse;
import com.dialgateway.v1.ListCampaignsRequest;
import com.dialgateway.v1.ListCampaignsResponse;
import com.dialgateway.v1.PurgeCampaignRequest;
import com.dialgateway.v1.PurgeCampaignResponse;
import com.dialgateway.v1.ReleaseCampaignRequest;
import com.dialgateway.v1.ReleaseCampaignResponse;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Lists, watches, holds, releases and purges campaigns. If the replicas of the gateway share a
 * state, this concerns all of them; otherwise only the replica that the client is connected to.
 * Thread-safe.
 *
 * <p>Each method throws {@link GatewayUnavailableException}, {@link AccessDeniedException}, {@link
 * GatewayOverloadedException} (a limit of the gateway is reached), {@link CallTimeoutException},
 * {@link ClientClosedException}, or {@link CallFailedException} with the status in {@link
 * CallFailedException#code()}: INVALID_ARGUMENT where a field breaks a rule, NOT_FOUND for the
 * release of a campaign that is not held, FAILED_PRECONDITION for a release that the shared state
 * of a fleet cannot record.
 */
public final class Campaigns {
  /** How long a call may take. Purging a long queue takes the longest. */
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private static final int PAGE_SIZE = 1_000;

  private final DialGateway gateway;

  Campaigns(DialGateway gateway) {
    this.gateway = gateway;
  }

  /**
   * Returns all campaigns that the gateway knows.
   *
   * @return the campaigns by id, and the replicas of the fleet
   */
  public CampaignsSeen list() {
    return list("");
  }

  /**
   * Returns some campaigns. Campaigns without dial requests are included, if the gateway has a
   * directory.
   *
   * @param pattern an id, {@code name:NAME} or {@code tag:KEY=VALUE}, each with {@code *} for any
   *     characters
   * @return the campaigns by id, and the replicas of the fleet
   */
  public CampaignsSeen list(String pattern) {
    Text.require("pattern", pattern);
    List<ListCampaignsResponse> pages = new ArrayList<>();
    String token = "";
    do {
      ListCampaignsRequest request =
          ListCampaignsRequest.newBuilder()
              .setPageSize(PAGE_SIZE)
              .setPageToken(token)
              .setCampaign(pattern)
              .build();
      ListCampaignsResponse page = call(CampaignServiceGrpc.getListCampaignsMethod(), request);
      if (!page.getCampaign().equals(pattern)) {
        String text = "this gateway is too old to find campaigns by pattern, name or tag";
        throw CallEnd.of(Status.Code.UNIMPLEMENTED, text).toException();
      }
      pages.add(page);
      token = page.getNextPageToken();
    } while (!token.isEmpty());
    return CampaignWire.listed(pages);
  }

  /**
   * Returns all campaigns now and after each change. A slow reader gets fewer states, each
   * complete.
   *
   * @param atMostEvery the shortest time between two states, 0.25 to 60 seconds
   * @return the states; close them. Nothing is called before their first {@code hasNext()}
   */
  public CampaignWatch watch(Duration atMostEvery) {
    return new CampaignWatch(gateway, atMostEvery);
  }

  /**
   * Stops calls to Amazon Connect for a campaign; its requests wait.
   *
   * @param campaign its id, or {@code name:NAME} if the gateway has a directory
   * @param reason why, for those who see the hold later; required
   * @return the held campaign, and which replicas have confirmed it
   */
  public ActionDone hold(String campaign, String reason) {
    return hold(campaign, reason, ActionOptions.DEFAULT);
  }

  /**
   * Stops calls to Amazon Connect for a campaign.
   *
   * @param campaign its id, or {@code name:NAME} if the gateway has a directory
   * @param reason why, for those who see the hold later; required
   * @param options what happens to its requests, and whether it must be known
   * @return the held campaign, and which replicas have confirmed it
   */
  public ActionDone hold(String campaign, String reason, ActionOptions options) {
    HoldCampaignResponse done =
        call(
            CampaignServiceGrpc.getHoldCampaignMethod(),
            HoldCampaignRequest.newBuilder()
                .setCampaignId(Text.require("campaign", campaign))
                .setReason(Text.require("reason", reason))
                .setHeldRequests(CampaignWire.heldRequests(options.heldRequests()))
                .setKnownOnly(options.knownOnly())
                .build());
    return new ActionDone(
        CampaignWire.campaign(done.getCampaign()),
        done.getAnswered(),
        done.hasConfirmation() ? CampaignWire.confirmation(done.getConfirmation()) : null);
  }

  /**
   * Allows calls for a held campaign again.
   *
   * @param campaign its id, or {@code name:NAME} if the gateway has a directory
   * @param reason why; may be empty
   * @return the released campaign, and which replicas have confirmed it
   */
  public ActionDone release(String campaign, String reason) {
    ReleaseCampaignResponse done =
        call(
            CampaignServiceGrpc.getReleaseCampaignMethod(),
            ReleaseCampaignRequest.newBuilder()
                .setCampaignId(Text.require("campaign", campaign))
                .setReason(Text.require("reason", reason))
                .build());
    return new ActionDone(
        CampaignWire.campaign(done.getCampaign()),
        0,
        done.hasConfirmation() ? CampaignWire.confirmation(done.getConfirmation()) : null);
  }

  /**
   * Answers all queued dial requests of a campaign with the reason {@link Reason#PURGED}.
   *
   * @param campaign its id, or {@code name:NAME} if the gateway has a directory
   * @param reason why; required
   * @return the campaign, how many requests there were, and which replicas have confirmed it
   */
  public ActionDone purge(String campaign, String reason) {
    return purge(campaign, reason, ActionOptions.DEFAULT);
  }

  /**
   * Answers all queued dial requests of a campaign with the reason {@link Reason#PURGED}.
   *
   * @param campaign its id, or {@code name:NAME} if the gateway has a directory
   * @param reason why; required
   * @param options whether the campaign must be known
   * @return the campaign, how many requests there were, and which replicas have confirmed it
   */
  public ActionDone purge(String campaign, String reason, ActionOptions options) {
    PurgeCampaignResponse done =
        call(
            CampaignServiceGrpc.getPurgeCampaignMethod(),
            PurgeCampaignRequest.newBuilder()
                .setCampaignId(Text.require("campaign", campaign))
                .setReason(Text.require("reason", reason))
                .setKnownOnly(options.knownOnly())
                .build());
    return new ActionDone(
        CampaignWire.campaign(done.getCampaign()),
        done.getPurged(),
        done.hasConfirmation() ? CampaignWire.confirmation(done.getConfirmation()) : null);
  }

  private <Q, A> A call(MethodDescriptor<Q, A> method, Q request) {
    gateway.requireOpen();
    Channels.Lease lease = gateway.channels().acquire();
    CallOptions options =
        CallOptions.DEFAULT.withDeadlineAfter(TIMEOUT.toNanos(), TimeUnit.NANOSECONDS);
    try {
      var headers =
          MetadataUtils.newAttachHeadersInterceptor(CallContext.metadata(gateway.headers()));
      return ClientCalls.blockingUnaryCall(
          io.grpc.ClientInterceptors.intercept(lease.channel(), headers), method, options, request);
    } catch (StatusRuntimeException failure) {
      throw failureOf(gateway, lease, failure);
    } finally {
      gateway.channels().release(lease);
    }
  }

  /** Returns the exception for a status, and retires the channel of a gateway that is gone. */
  static DialGatewayException failureOf(
      DialGateway gateway, Channels.Lease lease, StatusRuntimeException failure) {
    if (gateway.closed()) {
      return new ClientClosedException("the client was closed", Unanswered.NONE);
    }
    if (failure.getCause() instanceof InterruptedException interrupted) {
      return new CallInterruptedException(interrupted, Unanswered.NONE);
    }
    if (failure.getStatus().getCode() == Status.Code.UNAVAILABLE) {
      gateway.channels().retire(lease);
    }
    CallEnd end = CallEnd.of(failure.getStatus(), failure.getTrailers());
    return end.toException();
  }
}
