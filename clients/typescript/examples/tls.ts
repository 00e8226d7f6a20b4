import { DialGateway, type DialRequest } from "dial-gateway-client";

export async function dialAll(folder: string, requests: AsyncIterable<DialRequest>): Promise<void> {
  const tls = { caFile: `${folder}/ca.crt`, certFile: `${folder}/tls.crt`, keyFile: `${folder}/tls.key` };
  const gateway = new DialGateway("dial-gateway.dialing:50051", { tls });
  for await (const result of gateway.dial("my-campaign", requests)) {
    console.log(result.clientToken, result.outcome, result.reason);
  }
  await gateway.close();
}
