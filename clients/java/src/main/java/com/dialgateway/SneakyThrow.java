package com.dialgateway;

/** Throws what the caller's own code has thrown, even if its language let it throw checked ones. */
final class SneakyThrow {
  private SneakyThrow() {}

  /** Throws the argument. Declared with a result, so that a compiler sees the end of the method. */
  static RuntimeException unchecked(Throwable thrown) {
    return SneakyThrow.<RuntimeException>as(thrown);
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> RuntimeException as(Throwable thrown) throws T {
    throw (T) thrown;
  }
}
