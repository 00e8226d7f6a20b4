package com.dialgateway;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Checks texts before they are sent. */
final class Text {
  private Text() {}

  /**
   * Requires valid Unicode. Protobuf would replace half of a surrogate pair silently, and so change
   * what is sent.
   *
   * @throws IllegalArgumentException with the name, not the text
   */
  static String require(String name, String text) {
    Objects.requireNonNull(text, name);
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        if (Character.charCount(text.codePointAt(i)) == 1) {
          throw new IllegalArgumentException(name + " is not valid Unicode text");
        }
        i++;
      }
    }
    return text;
  }

  /** Does the same for a text that may be null. */
  static void requireIfSet(String name, @Nullable String text) {
    if (text != null) {
      require(name, text);
    }
  }
}
