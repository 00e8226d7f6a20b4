package com.dialgateway;

import com.google.protobuf.ProtocolMessageEnum;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The values of an enum by their number on the wire. A newer contract may have more numbers. */
final class WireNames<E extends Enum<E>> {
  private final Map<Integer, E> byNumber = new HashMap<>();

  WireNames(Class<E> type, String prefix, ProtocolMessageEnum[] wire) {
    Map<String, E> byName = new HashMap<>();
    for (E value : type.getEnumConstants()) {
      byName.put(prefix + value.name(), value);
    }
    for (ProtocolMessageEnum message : wire) {
      E value = byName.get(message.toString());
      if (value != null) {
        byNumber.put(message.getNumber(), value);
      }
    }
  }

  boolean has(int number) {
    return byNumber.containsKey(number);
  }

  E get(int number, E otherwise) {
    @Nullable E value = byNumber.get(number);
    return value == null ? otherwise : value;
  }
}
