/** TLS and mutual TLS, from files or from memory. */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import { credentials, type ChannelCredentials } from "@grpc/grpc-js";

/** How the client identifies the gateway, and itself. Each file is PEM. */
export interface TlsOptions {
  /** The certificates of the authorities that the client trusts, as a path. Default: those of Node.js. */
  readonly caFile?: string | undefined;
  /** The client's certificate chain, as a path, for a gateway that requires one. Needs `keyFile`. */
  readonly certFile?: string | undefined;
  /** The client's private key, as a path. Needs `certFile`. */
  readonly keyFile?: string | undefined;
  /** Instead of `caFile`: its content. */
  readonly ca?: string | Buffer | undefined;
  /** Instead of `certFile`: its content. */
  readonly cert?: string | Buffer | undefined;
  /** Instead of `keyFile`: its content. */
  readonly key?: string | Buffer | undefined;
  /** The name in the gateway's certificate, if it is not that of the target. */
  readonly serverName?: string | undefined;
}

/**
 * Makes the credentials of each new connection. Files are read again for each one, so that renewed certificates are
 * used without a restart. If that fails, as in the middle of a renewal, the last ones are used. A file that ends in the
 * middle of a certificate or key is not used either.
 */
export class Credentials {
  readonly #tls: TlsOptions | undefined;
  #last: ChannelCredentials;

  /** Throws if a file cannot be read or is not a certificate or key, and RangeError for half of a pair or file. */
  constructor(tls: TlsOptions | boolean | undefined) {
    this.#tls = tls === true ? {} : tls === false ? undefined : tls;
    this.#last = this.#make();
  }

  /** The name in the gateway's certificate, if it is not that of the target. */
  get serverName(): string | undefined {
    return this.#tls?.serverName;
  }

  /** Returns the credentials for a new connection. */
  current(): ChannelCredentials {
    try {
      this.#last = this.#make();
    } catch {
      // The files are being replaced. If they stay unusable, the gateway's refusal is reported.
    }
    return this.#last;
  }

  #make(): ChannelCredentials {
    if (this.#tls === undefined) return credentials.createInsecure();
    const { ca, cert, key, caFile, certFile, keyFile } = this.#tls;
    const chain = content(cert, certFile);
    const privateKey = content(key, keyFile);
    if ((chain === null) !== (privateKey === null)) {
      throw new RangeError("tls: a certificate of the client needs its key, and the key its certificate");
    }
    const trusted = content(ca, caFile);
    if (trusted !== null) new X509Certificate(trusted); // Node.js ignores what is not a certificate
    return credentials.createSsl(trusted, privateKey, chain);
  }
}

function content(given: string | Buffer | undefined, file: string | undefined): Buffer | null {
  if (given !== undefined) return Buffer.from(given);
  if (file === undefined) return null;
  const found = readFileSync(file);
  // Node.js ignores a last certificate that is cut off: the chain, or the authorities, would be others.
  if (count(found, "-----BEGIN ") !== count(found, "-----END ")) {
    throw new RangeError(`tls: ${file} is incomplete: a PEM block has no end`);
  }
  return found;
}

function count(content: Buffer, mark: string): number {
  return content.toString("latin1").split(mark).length - 1;
}
