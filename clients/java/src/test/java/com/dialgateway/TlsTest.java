package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** TLS from files, and how wrong settings are reported. */
@Timeout(60)
class TlsTest {
  @TempDir private static Path folder;
  private static Certificates server;
  private static Certificates client;

  @BeforeAll
  static void makeCertificates() throws Exception {
    server = Certificates.make(folder, "server", "ip:127.0.0.1,dns:gateway.example");
    client = Certificates.make(folder, "client", "dns:client.example");
  }

  private static Scripted gateway(boolean mutual) throws IOException {
    var credentials =
        TlsServerCredentials.newBuilder()
            .keyManager(server.certificate().toFile(), server.key().toFile());
    if (mutual) {
      credentials
          .trustManager(client.certificate().toFile())
          .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE);
    }
    return new Scripted(credentials.build());
  }

  private static DialGatewayBuilder to(String target) {
    return DialGateway.to(target).jitter(() -> 0);
  }

  private static List<DialResult> dial(DialGatewayBuilder builder) {
    try (DialGateway gateway = builder.build()) {
      return Scripted.all(gateway.dial("c", Scripted.requests(1)));
    }
  }

  private static String failure(DialGatewayBuilder builder) {
    GatewayUnavailableException error =
        assertThrows(GatewayUnavailableException.class, () -> dial(builder));
    assertEquals(List.of("t-0"), error.unanswered());
    assertEquals(List.of(), error.inDoubt());
    return error.getMessage();
  }

  @Test
  void theAuthorityOfAFileIsTrusted() throws IOException {
    try (Scripted gateway = gateway(false)) {
      assertTrue(dial(to(gateway.target()).tls(server.certificate())).get(0).accepted());
    }
  }

  @Test
  void theClientShowsItsCertificate() throws IOException {
    try (Scripted gateway = gateway(true)) {
      DialGatewayBuilder mutual =
          to(gateway.target()).tls(server.certificate(), client.certificate(), client.key());
      assertTrue(dial(mutual).get(0).accepted());
    }
  }

  @Test
  void anotherNameInTheCertificateIsAccepted() throws IOException {
    try (Scripted gateway = gateway(false)) {
      DialGatewayBuilder named =
          to(gateway.target()).tls(server.certificate()).serverName("gateway.example");
      assertTrue(dial(named).get(0).accepted());
    }
  }

  @Test
  void anUnknownAuthorityIsReported() throws IOException {
    try (Scripted gateway = gateway(false)) {
      String message = failure(to(gateway.target()).tls(client.certificate()));
      assertTrue(message.contains("not of the authority that this client trusts"), message);
    }
  }

  @Test
  void aWrongNameIsReported() throws IOException {
    try (Scripted gateway = gateway(false)) {
      String message =
          failure(to(gateway.target()).tls(server.certificate()).serverName("other.example"));
      assertTrue(message.contains("or not for this name"), message);
    }
  }

  @Test
  void aMissingCertificateOfTheClientIsReported() throws IOException {
    try (Scripted gateway = gateway(true)) {
      String message = failure(to(gateway.target()).tls(server.certificate()));
      assertTrue(message.contains("certificate of this client"), message);
    }
  }

  @Test
  void aGatewayWithoutTlsIsReported() {
    try (Scripted gateway = new Scripted()) {
      String message = failure(to(gateway.target()).tls(server.certificate()));
      assertTrue(message.contains("speaks without TLS"), message);
    }
  }

  @Test
  void aPutReportsAWrongAuthorityWellBeforeItsTimeout() throws IOException {
    try (Scripted gateway = gateway(false);
        DialGateway wrong = to(gateway.target()).tls(client.certificate()).build()) {
      List<DialRequest> requests = List.of(Scripted.request("t-0"));
      long began = System.nanoTime();
      assertThrows(
          GatewayUnavailableException.class, () -> wrong.put("c", requests, Duration.ofMinutes(5)));
      assertTrue(Duration.ofNanos(System.nanoTime() - began).toSeconds() < 50);
    }
  }

  @Test
  void aTargetThatIsNotAGatewayIsReported() throws IOException, InterruptedException {
    // A server of HTTP/1, which answers and closes.
    try (ServerSocket listener = new ServerSocket(0)) {
      Thread answers = new Thread(() -> answerHttp1(listener));
      answers.start();
      String message = failure(to("127.0.0.1:" + listener.getLocalPort()));
      assertTrue(message.contains("does not speak gRPC"), message);
      listener.close();
      answers.join();
    }
  }

  @Test
  void missingAndUnusableFilesAreNamedWhenTheClientIsBuilt() throws IOException {
    Path missing = folder.resolve("missing.pem");
    UncheckedIOException error =
        assertThrows(UncheckedIOException.class, () -> to("127.0.0.1:1").tls(missing).build());
    assertTrue(error.getMessage().contains("missing.pem"), error.getMessage());
    Path noKey = Files.writeString(folder.resolve("no.key"), "no key\n");
    error =
        assertThrows(
            UncheckedIOException.class,
            () -> to("127.0.0.1:1").tls(server.certificate(), client.certificate(), noKey).build());
    assertTrue(error.getMessage().contains("no unencrypted private key"), error.getMessage());
    assertFalse(error.getMessage().contains("no key\n"));
  }

  private static void answerHttp1(ServerSocket listener) {
    byte[] answer =
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    while (!listener.isClosed()) {
      try (Socket socket = listener.accept()) {
        int received = socket.getInputStream().read(new byte[64]);
        socket.getOutputStream().write(answer);
        socket.shutdownOutput();
        while (received >= 0) {
          received = socket.getInputStream().read(new byte[64]);
        }
      } catch (IOException closed) {
        // The test is over, or the client has closed first.
      }
    }
  }
}
