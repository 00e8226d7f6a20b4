package com.dialgateway;

import java.util.List;

/** The tokens without an answer at the end of a call, and those of them that are in doubt. */
record Unanswered(List<String> tokens, List<String> inDoubt) {
  static final Unanswered NONE = new Unanswered(List.of(), List.of());

  String explain(String message) {
    return tokens.isEmpty()
        ? message
        : message + " (unanswered dial requests: " + tokens.size() + ")";
  }
}
