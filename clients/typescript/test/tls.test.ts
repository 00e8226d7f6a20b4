/** TLS and mutual TLS from files, and how their errors are reported. */

import "reflect-metadata";

import assert from "node:assert/strict";
import type { webcrypto } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import * as x509 from "@peculiar/x509";
import { Server, ServerCredentials } from "@grpc/grpc-js";

import { DialGateway, GatewayUnavailable, type CallFailed, type DialGatewayOptions } from "../src/index.js";
import { Credentials } from "../src/tls.js";
import { all, requests, ScriptedGateway } from "./scripted.js";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

class Authority {
  private constructor(
    readonly certificate: x509.X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async make(): Promise<Authority> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const extensions = [new x509.BasicConstraintsExtension(true)];
    const name = "CN=Test authority";
    return new Authority(await x509.X509CertificateGenerator.createSelfSigned({ name, keys, extensions }), keys);
  }

  /** Writes a certificate for a name and its key; returns their paths. */
  async issue(folder: string, host: string): Promise<{ certFile: string; keyFile: string }> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${host}`,
      issuer: this.certificate.subject,
      signingKey: this.keys.privateKey,
      publicKey: keys.publicKey,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: host }])],
    });
    const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
    const [certFile, keyFile] = [join(folder, `${host}.crt`), join(folder, `${host}.key`)];
    writeFileSync(certFile, certificate.toString("pem"));
    writeFileSync(keyFile, key);
    return { certFile, keyFile };
  }
}

suite("TLS", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const caFile = join(folder, "ca.crt");
  const otherCaFile = join(folder, "other.crt");
  let gateway: ScriptedGateway;
  let strict: ScriptedGateway;
  let own: { certFile: string; keyFile: string };

  before(async () => {
    const [authority, other] = [await Authority.make(), await Authority.make()];
    writeFileSync(caFile, authority.certificate.toString("pem"));
    writeFileSync(otherCaFile, other.certificate.toString("pem"));
    const pair = await authority.issue(folder, "gateway.test");
    own = await authority.issue(folder, "caller.test");
    const keys = [{ cert_chain: readFileSync(pair.certFile), private_key: readFileSync(pair.keyFile) }];
    const ca = Buffer.from(authority.certificate.toString("pem"));
    gateway = await ScriptedGateway.start({ credentials: ServerCredentials.createSsl(null, keys) });
    strict = await ScriptedGateway.start({ credentials: ServerCredentials.createSsl(ca, keys, true) });
  });

  after(async () => {
    await gateway.stop();
    await strict.stop();
    rmSync(folder, { recursive: true });
  });

  const dial = async (target: string, options: DialGatewayOptions): Promise<number> => {
    const client = new DialGateway(target, options);
    try {
      return (await all(client.dial("c", requests(3)))).length;
    } finally {
      await client.close();
    }
  };

  /** Returns what is reported while the client waits, and what the dial says when it gives up. */
  const failure = async (target: string, options: DialGatewayOptions): Promise<string> => {
    const lost: CallFailed[] = [];
    const onConnectionLost = (error: CallFailed): void => {
      lost.push(error);
    };
    const client = new DialGateway(target, { ...options, onConnectionLost, retry: { giveUpAfterMs: 50 } });
    const began = Date.now();
    await assert.rejects(all(client.dial("c", requests(1))), (error: GatewayUnavailable) => {
      assert.ok(error instanceof GatewayUnavailable, String(error));
      assert.deepEqual(error.inDoubt, []);
      return true;
    });
    await assert.rejects(client.connect(), GatewayUnavailable);
    await client.close();
    assert.ok(Date.now() - began < 10_000, "within seconds");
    assert.ok(lost.length > 0, "reported while waiting");
    return lost[0]?.message ?? "";
  };

  test("a dial over TLS", async () => {
    assert.equal(await dial(gateway.target, { tls: { caFile, serverName: "gateway.test" } }), 3);
  });

  test("a dial over mutual TLS", async () => {
    assert.equal(await dial(strict.target, { tls: { caFile, ...own, serverName: "gateway.test" } }), 3);
  });

  test("another authority", async () => {
    const text = await failure(gateway.target, { tls: { caFile: otherCaFile, serverName: "gateway.test" } });
    assert.match(text, /not of the authority that this client trusts/);
  });

  test("another name", async () => {
    assert.match(await failure(gateway.target, { tls: { caFile } }), /altnames.*or not for this name/);
  });

  test("no certificate of the client", async () => {
    const text = await failure(strict.target, { tls: { caFile, serverName: "gateway.test" } });
    assert.match(text, /certificate/);
  });

  test("TLS to a port without", async () => {
    const plain = await ScriptedGateway.start();
    assert.match(await failure(plain.target, { tls: { caFile } }), /speaks without TLS|another service/);
    await plain.stop();
  });

  test("no TLS to a port with", async () => {
    assert.match(await failure(gateway.target, {}), /another service, expect TLS/);
  });

  test("renewed files are used for the next connection", async () => {
    const renewed = join(folder, "renewed.crt");
    copyFileSync(otherCaFile, renewed);
    const client = new DialGateway(gateway.target, {
      tls: { caFile: renewed, serverName: "gateway.test" },
      random: () => 1,
      onConnectionLost: () => {
        copyFileSync(caFile, renewed);
      },
    });
    assert.equal((await all(client.dial("c", requests(3)))).length, 3);
    await client.close();
  });

  test("a file that is cut off is not used, and the last one stays in use", () => {
    const bundle = join(folder, "bundle.crt");
    const both = `${readFileSync(caFile, "utf8")}\n${readFileSync(otherCaFile, "utf8")}`;
    writeFileSync(bundle, both);
    const credentials = new Credentials({ caFile: bundle });
    const whole = credentials.current();
    writeFileSync(bundle, both.slice(0, -40));
    assert.equal(credentials.current(), whole);
    assert.throws(() => new Credentials({ caFile: bundle }), /bundle\.crt is incomplete/);
    writeFileSync(bundle, both);
    assert.notEqual(credentials.current(), whole);
  });

  test("wrong options are refused by the constructor", () => {
    assert.throws(() => new DialGateway("x:1", { tls: { caFile: join(folder, "none") } }), { code: "ENOENT" });
    assert.throws(() => new DialGateway("x:1", { tls: { certFile: own.certFile } }), RangeError);
    assert.throws(() => new DialGateway("x:1", { tls: { ca: "no certificate" } }));
  });
});

suite("a target that is not a gateway", { timeout: 120_000 }, () => {
  const messageFor = async (target: string): Promise<string> => {
    const client = new DialGateway(target, { onConnectionLost: () => undefined, retry: { giveUpAfterMs: 50 } });
    let message = "";
    await assert.rejects(all(client.dial("c", requests(1))), (error: GatewayUnavailable) => {
      message = error.message;
      return error instanceof GatewayUnavailable;
    });
    await client.close();
    return message;
  };

  test("a service of HTTP/1", async () => {
    const server = createHttpServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    assert.match(await messageFor(`127.0.0.1:${String(port)}`), /may belong to another service/);
    server.closeAllConnections();
    server.close();
  });

  test("a port that closes each connection", async () => {
    const server = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    assert.match(await messageFor(`127.0.0.1:${String(port)}`), /may belong to another service/);
    server.close();
  });

  test("a name that does not exist", async () => {
    assert.match(await messageFor("gateway.invalid:50051"), /Name resolution failed|ENOTFOUND/);
  });

  test("another gRPC service ends the dial after a few tries", async () => {
    const server = new Server();
    const port = await new Promise<number>((resolve) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, bound) => {
        resolve(bound);
      });
    });
    const client = new DialGateway(`127.0.0.1:${String(port)}`, { random: () => 0, onConnectionLost: () => undefined });
    await assert.rejects(all(client.dial("c", requests(1))), { name: "StreamBroken", code: "UNIMPLEMENTED" });
    await client.close();
    server.forceShutdown();
  });
});
