package com.dialgateway.conformance;

import com.dialgateway.CallFailedException;
import com.dialgateway.Campaign;
import com.dialgateway.Channel;
import com.dialgateway.DialGateway;
import com.dialgateway.DialGatewayBuilder;
import com.dialgateway.DialOptions;
import com.dialgateway.DialRequest;
import com.dialgateway.DialResult;
import com.dialgateway.DialResults;
import com.dialgateway.Notice;
import com.dialgateway.Outcome;
import com.dialgateway.Priority;
import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;

/**
 * Carries out commands, one JSON object a line on standard input, and writes what happens to
 * standard output in the same way. Commands run at the same time; {@code id} names a command.
 */
public final class ConformanceProgram {
  private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private static final Gson GSON = new Gson();

  private final DialGateway gateway;

  private ConformanceProgram(DialGateway gateway) {
    this.gateway = gateway;
  }

  /**
   * Runs until the end of standard input, and of the commands.
   *
   * @param arguments --target HOST:PORT, and perhaps --ca, --cert, --key, --authority, --window,
   *     --keepalive
   * @throws Exception if standard input cannot be read
   */
  public static void main(String[] arguments) throws Exception {
    try (DialGateway gateway = client(options(arguments))) {
      new ConformanceProgram(gateway).run();
    }
  }

  private static Map<String, String> options(String[] arguments) {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i < arguments.length; i += 2) {
      options.put(arguments[i], arguments[i + 1]);
    }
    return options;
  }

  private static DialGateway client(Map<String, String> options) {
    DialGatewayBuilder builder = DialGateway.to(options.get("--target"));
    if (options.containsKey("--cert")) {
      builder.tls(
          Path.of(options.get("--ca")),
          Path.of(options.get("--cert")),
          Path.of(options.get("--key")));
    } else if (options.containsKey("--ca")) {
      builder.tls(Path.of(options.get("--ca")));
    }
    ifGiven(options, "--authority", builder::serverName);
    ifGiven(options, "--window", value -> builder.window(Integer.parseInt(value)));
    ifGiven(
        options,
        "--keepalive",
        value -> builder.keepalive(Duration.ofMillis((long) (Double.parseDouble(value) * 1000))));
    return builder.build();
  }

  private static void ifGiven(Map<String, String> options, String name, Consumer<String> use) {
    if (options.containsKey(name)) {
      use.accept(options.get(name));
    }
  }

  private void run() throws Exception {
    ExecutorService threads = Executors.newCachedThreadPool();
    List<Future<?>> commands = new ArrayList<>();
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonObject command = JsonParser.parseString(line).getAsJsonObject();
      commands.add(threads.submit(() -> carryOut(command, threads)));
    }
    for (Future<?> each : commands) {
      each.get();
    }
    threads.shutdown();
  }

  private void carryOut(JsonObject command, ExecutorService threads) {
    try {
      switch (command.get("do").getAsString()) {
        case "dial" -> dial(command, threads);
        case "put" -> put(command);
        case "hold" -> gateway.campaigns().hold(text(command, "campaign"), text(command, "reason"));
        case "release" ->
            gateway.campaigns().release(text(command, "campaign"), text(command, "reason"));
        case "purge" ->
            gateway.campaigns().purge(text(command, "campaign"), text(command, "reason"));
        case "campaigns" -> campaigns(command);
        case "memory" -> memory(command);
        default -> throw new IllegalArgumentException("an unknown command");
      }
      write(command, "end", "ok");
    } catch (Exception failure) {
      end(command, failure);
    }
  }

  // --- dial and put ----------------------------------------------------------------------------

  private static final class OwnException extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private void dial(JsonObject command, ExecutorService threads) throws Exception {
    List<String> campaigns =
        command.has("campaigns")
            ? strings(command.getAsJsonArray("campaigns"))
            : List.of(text(command, "campaign"));
    Answers answers = new Answers(command);
    List<Future<?>> dials = new ArrayList<>();
    for (int i = 0; i < campaigns.size(); i++) {
      int first = i;
      dials.add(
          threads.submit(
              () -> {
                dialOne(command, campaigns, first, answers);
                return null;
              }));
    }
    Exception failure = null;
    for (Future<?> dial : dials) {
      try {
        dial.get();
      } catch (java.util.concurrent.ExecutionException failed) {
        failure = (Exception) failed.getCause();
      }
    }
    if (failure != null) {
      throw failure;
    }
    if (answers.quiet) {
      write(command, "counts", answers.counts);
    }
  }

  /** Sends every n-th request, beginning with the first one, to one of n campaigns. */
  private void dialOne(JsonObject command, List<String> campaigns, int first, Answers answers)
      throws InterruptedException {
    String campaign = campaigns.get(first);
    DialOptions options =
        DialOptions.DEFAULT
            .withPriority(
                command.has("priority")
                    ? Priority.valueOf(text(command, "priority"))
                    : Priority.NORMAL)
            .withOnNotice(notice -> notice(command, notice, answers));
    Iterator<DialRequest> source = requests(command, first, campaigns.size(), answers);
    try (DialResults results = gateway.dial(campaign, source, options)) {
      for (DialResult result : results) {
        if (!answers.take(campaign, result)) {
          return;
        }
      }
    }
  }

  private void put(JsonObject command) {
    Answers answers = new Answers(command);
    List<DialRequest> requests = new ArrayList<>();
    requests(command, 0, 1, answers).forEachRemaining(requests::add);
    String campaign = text(command, "campaign");
    for (DialResult result : gateway.put(campaign, requests, Duration.ofSeconds(30))) {
      write(command, "answer", answer(campaign, result));
    }
  }

  private static Iterator<DialRequest> requests(
      JsonObject command, int first, int step, Answers answers) {
    Iterator<DialRequest> source =
        command.has("generate")
            ? generated(command.getAsJsonObject("generate"), first, step)
            : listed(command.getAsJsonArray("requests"), first, step);
    return new Iterator<>() {
      private int offered;

      @Override
      public boolean hasNext() {
        boolean more = source.hasNext();
        if (!more) {
          answers.sourceEnded(offered, step);
        }
        return more;
      }

      @Override
      public DialRequest next() {
        offered++;
        return source.next();
      }
    };
  }

  private static Iterator<DialRequest> generated(JsonObject generate, int first, int step) {
    Instant expiresAt = Instant.now().plusSeconds(generate.get("expires_in_s").getAsLong());
    int bytes = generate.has("attribute_bytes") ? generate.get("attribute_bytes").getAsInt() : 0;
    Map<String, String> attributes = bytes == 0 ? Map.of() : Map.of("k", "x".repeat(bytes));
    String prefix = text(generate, "prefix");
    return IntStream.iterate(
            first, number -> number < generate.get("count").getAsInt(), number -> number + step)
        .mapToObj(
            number ->
                DialRequest.of(prefix + number, "+12025550123", expiresAt)
                    .withAttributes(attributes))
        .iterator();
  }

  private static Iterator<DialRequest> listed(JsonArray requests, int first, int step) {
    return IntStream.iterate(first, index -> index < requests.size(), index -> index + step)
        .mapToObj(index -> request(requests.get(index).getAsJsonObject()))
        .iterator();
  }

  private static DialRequest request(JsonObject given) {
    Map<String, String> attributes = new HashMap<>();
    if (given.has("attributes")) {
      given.getAsJsonObject("attributes").entrySet().stream()
          .forEach(entry -> attributes.put(entry.getKey(), entry.getValue().getAsString()));
    }
    long millis = (long) (given.get("expires_in_s").getAsDouble() * 1000);
    Instant expiresAt = Instant.now().plusMillis(millis);
    return DialRequest.of(text(given, "token"), text(given, "phone"), expiresAt)
        .withAttributes(attributes)
        .withInDoubt(given.has("in_doubt") && given.get("in_doubt").getAsBoolean())
        .withChannel(given.has("channel") ? channel(given.getAsJsonObject("channel")) : null);
  }

  private static Channel channel(JsonObject given) {
    String source = text(given, "source");
    return switch (text(given, "kind")) {
      case "sms" -> new Channel.Sms(source, text(given, "template"));
      case "whats_app" -> new Channel.WhatsApp(source, text(given, "template"));
      case "email" -> new Channel.Email(text(given, "address"), source, text(given, "template"));
      default ->
          new Channel.Telephony(
              source,
              Duration.ofSeconds(given.get("ring_timeout_s").getAsLong()),
              new Channel.AnswerMachineDetection(true, given.get("await_prompt").getAsBoolean()));
    };
  }

  /** The answers of one command: writes or counts them, and says when to stop, leave or throw. */
  private static final class Answers {
    private final JsonObject command;
    private final boolean quiet;
    private final Map<Outcome, Integer> counts = new EnumMap<>(Outcome.class);
    private final AtomicInteger offered = new AtomicInteger();
    private final AtomicInteger sourcesEnded = new AtomicInteger();
    private int count;

    Answers(JsonObject command) {
      this.command = command;
      this.quiet = command.has("quiet") && command.get("quiet").getAsBoolean();
    }

    /** Returns false if the caller leaves its loop. */
    boolean take(String campaign, DialResult result) throws InterruptedException {
      int taken;
      synchronized (this) {
        count++;
        taken = count;
        counts.merge(result.outcome(), 1, Integer::sum);
      }
      if (!quiet) {
        write(command, "answer", answer(campaign, result));
      }
      if (taken == number("throw_after")) {
        throw new OwnException();
      }
      if (taken == number("pause_after")) {
        Thread.sleep((long) (command.get("pause_s").getAsDouble() * 1000));
      }
      return taken != number("close_after");
    }

    void sourceEnded(int taken, int sources) {
      int all = offered.addAndGet(taken);
      if (sourcesEnded.incrementAndGet() == sources) {
        write(command, "offered", all);
      }
    }

    private int number(String name) {
      return command.has(name) ? command.get(name).getAsInt() : -1;
    }
  }

  // --- other commands --------------------------------------------------------------------------

  private void campaigns(JsonObject command) {
    List<Map<String, Object>> found = new ArrayList<>();
    for (Campaign each : gateway.campaigns().list().campaigns().values()) {
      found.add(
          Map.of("campaign", each.id(), "state", each.state().name(), "queued", each.queued()));
    }
    write(command, "campaigns", found);
  }

  private static void memory(JsonObject command) throws IOException {
    String status = Files.readString(Path.of("/proc/self/status"));
    String line = status.lines().filter(each -> each.startsWith("VmRSS:")).findFirst().orElse("0");
    var system =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    JsonObject written = new JsonObject();
    written.add("id", command.get("id"));
    written.addProperty("rss_bytes", Long.parseLong(line.replaceAll("\\D", "")) * 1024);
    written.addProperty("cpu_s", system.getProcessCpuTime() / (double) TimeUnit.SECONDS.toNanos(1));
    print(written);
  }

  // --- output ----------------------------------------------------------------------------------

  private static JsonObject answer(String campaign, DialResult result) {
    Duration retryAfter = result.retryAfter();
    JsonObject answer = new JsonObject();
    answer.addProperty("campaign", campaign);
    answer.addProperty("token", result.clientToken());
    answer.addProperty("outcome", result.outcome().name());
    answer.addProperty("reason", named(result.reason()));
    answer.addProperty("detail", result.detail());
    answer.addProperty("retry_advice", named(result.retryAdvice()));
    answer.addProperty("retry_after_s", retryAfter == null ? 0 : retryAfter.toMillis() / 1000.0);
    answer.addProperty("attempts", result.attempts());
    answer.addProperty("replayed", result.replayed());
    answer.addProperty("dial_request_id", result.dialRequestId());
    answer.addProperty("trace_id", result.traceId());
    return answer;
  }

  private static void notice(JsonObject command, Notice notice, Answers answers) {
    if (answers.quiet) {
      return;
    }
    Duration retryAfter = notice.retryAfter();
    JsonObject written = new JsonObject();
    written.addProperty("campaign", notice.campaign());
    written.addProperty("kind", named(notice.kind()));
    written.addProperty("retry_after_s", retryAfter == null ? 0 : retryAfter.toMillis() / 1000.0);
    write(command, "notice", written);
  }

  private static void end(JsonObject command, Exception failure) {
    JsonObject written = new JsonObject();
    written.add("id", command.get("id"));
    written.addProperty("end", "error");
    boolean own = failure instanceof OwnException;
    written.addProperty("error", own ? "OWN" : failure.getClass().getSimpleName());
    if (failure instanceof CallFailedException failed) {
      written.addProperty("status", failed.code() == null ? "" : failed.code().name());
      written.addProperty("reason", failed.reason());
    }
    written.addProperty("message", String.valueOf(failure.getMessage()));
    print(written);
  }

  private static String named(Enum<?> value) {
    return value.name().equals("UNSPECIFIED") ? "" : value.name();
  }

  private static void write(JsonObject command, String name, Object value) {
    JsonObject written = new JsonObject();
    written.add("id", command.get("id"));
    written.add(name, GSON.toJsonTree(value));
    print(written);
  }

  private static void print(JsonObject written) {
    synchronized (OUT) {
      OUT.println(GSON.toJson(written));
      OUT.flush();
    }
  }

  private static String text(JsonObject object, String name) {
    return object.has(name) ? object.get(name).getAsString() : "";
  }

  private static List<String> strings(JsonArray array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonElement::getAsString).toList();
  }
}
