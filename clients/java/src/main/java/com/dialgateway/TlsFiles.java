package com.dialgateway;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * TLS from files in PEM. They are read for each new connection, so that renewed certificates are
 * used.
 *
 * @param authority the certificates that are trusted; null for those of the Java runtime
 * @param certificate the certificate of this client; null for none
 * @param key its private key; null for none
 */
record TlsFiles(@Nullable Path authority, @Nullable Path certificate, @Nullable Path key) {

  /**
   * Reads the files.
   *
   * @throws UncheckedIOException if one cannot be read; the message names it
   */
  ChannelCredentials read() {
    TlsChannelCredentials.Builder tls = TlsChannelCredentials.newBuilder();
    try {
      if (authority != null) {
        tls.trustManager(new ByteArrayInputStream(bytesOf(authority)));
      }
      if (certificate != null && key != null) {
        tls.keyManager(
            new ByteArrayInputStream(bytesOf(certificate)), new ByteArrayInputStream(keyOf(key)));
      }
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
    return tls.build();
  }

  private static byte[] keyOf(Path file) throws IOException {
    byte[] pem = bytesOf(file);
    try {
      return PrivateKeys.toPkcs8(pem);
    } catch (IOException unreadable) {
      throw new IOException("the file " + file + ": " + unreadable.getMessage(), unreadable);
    }
  }

  private static byte[] bytesOf(Path file) throws IOException {
    try {
      return Files.readAllBytes(file);
    } catch (NoSuchFileException missing) {
      throw new IOException("there is no file " + file, missing);
    } catch (IOException failure) {
      throw new IOException("the file " + file + " cannot be read", failure);
    }
  }
}
