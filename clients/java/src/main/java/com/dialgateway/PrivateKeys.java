package com.dialgateway;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads private keys in PEM. Java takes only PKCS #8 ("BEGIN PRIVATE KEY"). cert-manager and
 * OpenSSL also write PKCS #1 ("BEGIN RSA PRIVATE KEY") and SEC 1 ("BEGIN EC PRIVATE KEY"), which
 * are wrapped here.
 */
final class PrivateKeys {
  private static final Pattern PEM =
      Pattern.compile(
          "-----BEGIN (RSA |EC |)PRIVATE KEY-----(.*?)-----END \\1PRIVATE KEY-----",
          Pattern.DOTALL);

  private static final int INTEGER = 0x02;
  private static final int OCTET_STRING = 0x04;
  private static final int SEQUENCE = 0x30;
  private static final int EC_PARAMETERS = 0xa0;
  private static final byte[] VERSION_0 = {INTEGER, 1, 0};
  // The object identifier 1.2.840.113549.1.1.1, and NULL.
  private static final byte[] RSA = {
    0x06, 9, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 1, 1, 1, 0x05, 0
  };
  // The object identifier 1.2.840.10045.2.1.
  private static final byte[] EC = {0x06, 7, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 2, 1};

  private PrivateKeys() {}

  /**
   * Returns the key as PEM of PKCS #8.
   *
   * @throws IOException if the text has no private key that can be read; the message shows nothing
   *     of it
   */
  static byte[] toPkcs8(byte[] pem) throws IOException {
    Matcher found = PEM.matcher(new String(pem, StandardCharsets.ISO_8859_1));
    if (!found.find()) {
      throw new IOException("it has no unencrypted private key in PEM");
    }
    String kind = found.group(1);
    if (kind.isEmpty()) {
      return pem;
    }
    try {
      byte[] key = Base64.getMimeDecoder().decode(found.group(2));
      return asPem(kind.equals("RSA ") ? wrap(RSA, key) : wrap(join(EC, curveOf(key)), key));
    } catch (IllegalArgumentException | IndexOutOfBoundsException damaged) {
      throw new IOException("its private key is damaged");
    }
  }

  private static byte[] wrap(byte[] algorithm, byte[] key) {
    return tagged(
        SEQUENCE, join(join(VERSION_0, tagged(SEQUENCE, algorithm)), tagged(OCTET_STRING, key)));
  }

  /** Returns the curve that a SEC 1 key names: SEQUENCE, version, octets of the key, [0] curve. */
  private static byte[] curveOf(byte[] key) throws IOException {
    int at = contentOf(key, 0);
    while (at < key.length) {
      int content = contentOf(key, at);
      int end = content + lengthOf(key, at);
      if ((key[at] & 0xff) == EC_PARAMETERS) {
        return java.util.Arrays.copyOfRange(key, content, end);
      }
      at = end;
    }
    throw new IOException("its private key does not name a curve");
  }

  /** Returns where the content of the DER element at an offset begins. */
  private static int contentOf(byte[] der, int at) {
    int length = der[at + 1] & 0xff;
    return at + 2 + (length < 0x80 ? 0 : length & 0x7f);
  }

  private static int lengthOf(byte[] der, int at) {
    int length = der[at + 1] & 0xff;
    if (length < 0x80) {
      return length;
    }
    int value = 0;
    for (int i = 0; i < (length & 0x7f); i++) {
      value = (value << 8) | (der[at + 2 + i] & 0xff);
    }
    return value;
  }

  private static byte[] tagged(int tag, byte[] content) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(tag);
    if (content.length < 0x80) {
      out.write(content.length);
    } else if (content.length < 0x100) {
      out.write(0x81);
      out.write(content.length);
    } else {
      out.write(0x82); // two bytes of length are enough for every key
      out.write(content.length >> 8);
      out.write(content.length);
    }
    out.writeBytes(content);
    return out.toByteArray();
  }

  private static byte[] join(byte[] first, byte[] second) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(first);
    out.writeBytes(second);
    return out.toByteArray();
  }

  private static byte[] asPem(byte[] der) {
    String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    String pem = "-----BEGIN PRIVATE KEY-----\n" + base64 + "\n-----END PRIVATE KEY-----\n";
    return pem.getBytes(StandardCharsets.ISO_8859_1);
  }
}
