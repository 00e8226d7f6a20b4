package dialgateway

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/metadata"
)

// Traceparent returns the W3C trace context of the OpenTelemetry span in ctx, for
// [Request.Traceparent]; "" if there is none.
//
// The methods of [Client] send the trace context of their own ctx by themselves.
// Use this for a source whose requests belong to many traces.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// outgoing adds the client's metadata and the trace context of ctx to the calls
// that are made with ctx.
func (c *Client) outgoing(ctx context.Context) context.Context {
	sent, _ := metadata.FromOutgoingContext(ctx) // a copy
	if sent == nil {
		sent = metadata.MD{}
	}
	if len(sent.Get("traceparent")) == 0 {
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, carrier)
		for key, value := range carrier {
			sent.Set(key, value)
		}
	}
	for at := 0; at+1 < len(c.metadata); at += 2 {
		sent.Append(c.metadata[at], c.metadata[at+1])
	}
	return metadata.NewOutgoingContext(ctx, sent)
}
