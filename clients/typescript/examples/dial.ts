import { DialGateway, newClientToken } from "dial-gateway-client";

const gateway = new DialGateway("127.0.0.1:50051");
const expiresAt = new Date(Date.now() + 10 * 60_000);
const requests = [{ clientToken: newClientToken(), phoneNumber: "+12025550123", expiresAt }]; // store the tokens!
for await (const result of gateway.dial("my-campaign", requests)) {
  console.log(result.clientToken, result.outcome, result.reason, result.traceId);
}
await gateway.close();
