// Package dialgateway is the client of the dial gateway: stream dial requests to
// it, and read one answer for each client token.
//
//	client, err := dialgateway.New("dial-gateway.dialing:50051",
//		dialgateway.WithTLSFiles("ca.crt", "tls.crt", "tls.key"))
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	for result, err := range client.Dial(ctx, "my-campaign", slices.Values(requests)) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(result.ClientToken, result.Outcome, result.Reason)
//	}
//
// # Answers
//
// [Client.Dial] yields exactly one [Result] for each [Request] of its source, in
// the order in which they are decided. It is one stream over any number of
// connections: when a connection breaks, or its replica of the gateway shuts
// down, the client connects again after a random pause and sends the unanswered
// requests again, with the same tokens. An answer that advises to send the same
// token again is not yielded. The client does that itself until the request
// expires, but never for a request that an operator has held or purged.
//
// The answers stay true. A request that was sent on a connection that broke, or
// that was answered UNKNOWN, may be at Amazon Connect. The client sends it again
// with in_doubt set, and from then on its answer is ACCEPTED or UNKNOWN. Set
// [Request.InDoubt] if your own process may have sent a token before it ended.
//
// # Errors
//
// A refused dial request is a [Result], not an error. An error ends the call, is
// always an [*Error], and names the tokens without an answer. Use [errors.Is]
// with [ErrUnavailable], [ErrAccessDenied] and the others, or with the error of
// the context. Connections that fail while the client keeps trying are logged
// with [log/slog] at level WARN; see [WithLogger] and [OnDisconnect].
//
// # Privacy
//
// Phone numbers and attributes appear in no error and no log record of this
// package, and [Request] leaves them out when it is printed, logged or
// marshaled.
package dialgateway
