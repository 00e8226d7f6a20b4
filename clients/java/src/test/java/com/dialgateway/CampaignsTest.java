package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.dialgateway.v1.CampaignServiceGrpc;
import com.dialgateway.v1.HoldCampaignRequest;
import com.dialgateway.v1.HoldCampaignResponse;
import com.dialgateway.v1.ListCampaignsRequest;
import com.dialgateway.v1.ListCampaignsResponse;
import com.dialgateway.v1.PurgeCampaignRequest;
import com.dialgateway.v1.PurgeCampaignResponse;
import com.dialgateway.v1.ReleaseCampaignRequest;
import com.dialgateway.v1.ReleaseCampaignResponse;
import com.dialgateway.v1.WatchCampaignsRequest;
import com.dialgateway.v1.WatchCampaignsResponse;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The operations on campaigns, against a service that answers as told. */
@Timeout(60)
class CampaignsTest {
  private final Service service = new Service();
  private Server server;
  private DialGateway client;

  @BeforeEach
  void serve() throws IOException {
    server =
        Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(service)
            .build()
            .start();
    client = DialGateway.to("127.0.0.1:" + server.getPort()).build();
  }

  @AfterEach
  void close() throws InterruptedException {
    client.close();
    server.shutdownNow().awaitTermination();
    Threads.awaitNone("dial-gateway");
  }

  /** Answers with two campaigns, one on each page, and keeps what it was asked. */
  private static final class Service extends CampaignServiceGrpc.CampaignServiceImplBase {
    volatile HoldCampaignRequest held = HoldCampaignRequest.getDefaultInstance();
    volatile boolean old;

    private static com.dialgateway.v1.Campaign campaign(String id) {
      return com.dialgateway.v1.Campaign.newBuilder()
          .setCampaignId(id)
          .setState(com.dialgateway.v1.CampaignState.CAMPAIGN_STATE_HELD)
          .setQueued(3)
          .setOutcomes(com.dialgateway.v1.OutcomeCounts.newBuilder().setAccepted(7))
          .setHold(com.dialgateway.v1.Hold.newBuilder().setCaller("ops").setReason("why"))
          .build();
    }

    @Override
    public void listCampaigns(
        ListCampaignsRequest request, StreamObserver<ListCampaignsResponse> responses) {
      boolean first = request.getPageToken().isEmpty();
      responses.onNext(
          ListCampaignsResponse.newBuilder()
              .addCampaigns(campaign(first ? "a" : "b"))
              .setNextPageToken(first ? "more" : "")
              .setCampaign(old ? "" : request.getCampaign())
              .build());
      responses.onCompleted();
    }

    @Override
    public void watchCampaigns(
        WatchCampaignsRequest request, StreamObserver<WatchCampaignsResponse> responses) {
      responses.onNext(WatchCampaignsResponse.newBuilder().addCampaigns(campaign("a")).build());
      responses.onNext(
          WatchCampaignsResponse.newBuilder()
              .addCampaigns(campaign("b"))
              .setComplete(true)
              .build());
      responses.onNext(
          WatchCampaignsResponse.newBuilder().addGoneCampaignIds("a").setComplete(true).build());
    }

    @Override
    public void holdCampaign(
        HoldCampaignRequest request, StreamObserver<HoldCampaignResponse> responses) {
      held = request;
      responses.onNext(
          HoldCampaignResponse.newBuilder()
              .setCampaign(campaign(request.getCampaignId()))
              .setAnswered(2)
              .setConfirmation(
                  com.dialgateway.v1.Confirmation.newBuilder()
                      .addConfirmedReplicas("r1")
                      .addUnconfirmedReplicas("r2"))
              .build());
      responses.onCompleted();
    }

    @Override
    public void releaseCampaign(
        ReleaseCampaignRequest request, StreamObserver<ReleaseCampaignResponse> responses) {
      responses.onError(Status.NOT_FOUND.withDescription("not held").asRuntimeException());
    }

    @Override
    public void purgeCampaign(
        PurgeCampaignRequest request, StreamObserver<PurgeCampaignResponse> responses) {
      responses.onNext(
          PurgeCampaignResponse.newBuilder()
              .setCampaign(campaign(request.getCampaignId()))
              .setPurged(5)
              .build());
      responses.onCompleted();
    }
  }

  @Test
  void aListHasAllPages() {
    CampaignsSeen seen = client.campaigns().list("*");
    assertEquals(List.of("a", "b"), List.copyOf(seen.campaigns().keySet()));
    Campaign campaign = seen.campaigns().get("a");
    assertNotNull(campaign);
    assertEquals(CampaignState.HELD, campaign.state());
    assertEquals(3, campaign.queued());
    assertEquals(7, campaign.outcomes().get(Outcome.ACCEPTED));
    assertNull(campaign.retryAfter());
    Hold hold = campaign.hold();
    assertNotNull(hold);
    assertEquals("ops", hold.caller());
  }

  @Test
  void aGatewayThatDoesNotKnowPatternsIsReported() {
    service.old = true;
    CallFailedException error =
        assertThrows(CallFailedException.class, () -> client.campaigns().list("tag:a=b"));
    assertEquals(Status.Code.UNIMPLEMENTED, error.code());
  }

  @Test
  void actionsSayWhatTheyDid() {
    ActionOptions options =
        ActionOptions.DEFAULT.withHeldRequests(HeldRequests.ANSWER).withKnownOnly(true);
    ActionDone done = client.campaigns().hold("c", "why", options);
    assertEquals("c", done.campaign().id());
    assertEquals(2, done.answered());
    Confirmation confirmation = done.confirmation();
    assertNotNull(confirmation);
    assertFalse(confirmation.complete());
    assertEquals(List.of("r2"), confirmation.unconfirmed());
    assertTrue(service.held.getKnownOnly());
    assertEquals(
        com.dialgateway.v1.HeldRequests.HELD_REQUESTS_ANSWER, service.held.getHeldRequests());
    assertEquals(5, client.campaigns().purge("c", "why").answered());
  }

  @Test
  void aStatusIsAnException() {
    CallFailedException error =
        assertThrows(CallFailedException.class, () -> client.campaigns().release("c", ""));
    assertEquals(Status.Code.NOT_FOUND, error.code());
    assertEquals(CallFailedException.class, error.getClass());
    assertTrue(error.getMessage().contains("not held"), error.getMessage());
  }

  @Test
  void aWatchAppliesTheChanges() {
    try (CampaignWatch watch = client.campaigns().watch(Duration.ofSeconds(1))) {
      Iterator<CampaignsSeen> states = watch.iterator();
      CampaignsSeen first = states.next();
      assertEquals(Set.of("a", "b"), first.campaigns().keySet());
      CampaignsSeen second = states.next();
      assertEquals(Set.of("b"), second.campaigns().keySet());
      assertEquals(Set.of("a"), second.changed());
      watch.close();
      assertThrows(ClientClosedException.class, states::hasNext);
    }
  }

  @Test
  void aClosedClientIsReported() {
    client.close();
    assertThrows(ClientClosedException.class, () -> client.campaigns().list());
  }
}
