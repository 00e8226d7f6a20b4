package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import org.junit.jupiter.api.Test;

/** Private keys in the forms of PEM that tools write. */
class PrivateKeysTest {
  private static PrivateKey parse(byte[] pem, String algorithm) throws GeneralSecurityException {
    String base64 =
        new String(pem, StandardCharsets.ISO_8859_1).replaceAll("-----[A-Z ]+-----|\\s", "");
    return KeyFactory.getInstance(algorithm)
        .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
  }

  private static byte[] pem(String kind, byte[] der) {
    return ("-----BEGIN %s-----\n%s\n-----END %s-----\n")
        .formatted(kind, Base64.getMimeEncoder().encodeToString(der), kind)
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void aPkcs1KeyIsWrapped() throws GeneralSecurityException, IOException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    PrivateKey key = generator.generateKeyPair().getPrivate();
    // A PKCS #8 key of RSA is 26 bytes of frame and the PKCS #1 key.
    byte[] pkcs1 = Arrays.copyOfRange(key.getEncoded(), 26, key.getEncoded().length);
    byte[] wrapped = PrivateKeys.toPkcs8(pem("RSA PRIVATE KEY", pkcs1));
    assertArrayEquals(key.getEncoded(), parse(wrapped, "RSA").getEncoded());
  }

  @Test
  void aSec1KeyIsWrapped() throws GeneralSecurityException, IOException {
    // SEQUENCE { version 1, the 32 bytes of the key, [0] { the curve prime256v1 },
    // [1] { the public key, 65 bytes, which nobody reads } }
    byte[] start = {0x30, 119, 2, 1, 1, 4, 32};
    byte[] curve = {(byte) 0xa0, 10, 6, 8, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 3, 1, 7};
    byte[] publicKey = {(byte) 0xa1, 68, 3, 66, 0, 4};
    byte[] secret = new byte[32];
    Arrays.fill(secret, (byte) 7);
    byte[] sec1 = ByteBuffer.allocate(121).put(start).put(secret).put(curve).put(publicKey).array();
    PrivateKey key = parse(PrivateKeys.toPkcs8(pem("EC PRIVATE KEY", sec1)), "EC");
    assertEquals(new BigInteger(1, secret), ((ECPrivateKey) key).getS());
  }

  @Test
  void aPkcs8KeyIsUsedAsItIs() throws IOException {
    byte[] key = pem("PRIVATE KEY", new byte[] {1, 2, 3});
    assertArrayEquals(key, PrivateKeys.toPkcs8(key));
  }

  @Test
  void anythingElseIsRefused() {
    for (String kind : new String[] {"ENCRYPTED PRIVATE KEY", "CERTIFICATE"}) {
      assertThrows(IOException.class, () -> PrivateKeys.toPkcs8(pem(kind, new byte[] {1, 2, 3})));
    }
    assertThrows(
        IOException.class, () -> PrivateKeys.toPkcs8(pem("EC PRIVATE KEY", new byte[] {1})));
  }
}
