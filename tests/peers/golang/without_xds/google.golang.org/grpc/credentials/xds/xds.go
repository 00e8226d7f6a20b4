// Package xds stands for the package of grpc-go with the credentials that an xDS server provides.
package xds

import (
	"errors"

	"google.golang.org/grpc/credentials"
)

// ClientOptions are the options of the credentials.
type ClientOptions struct {
	FallbackCreds credentials.TransportCredentials
}

// NewClientCredentials returns an error: only targets with the scheme xds need these credentials.
func NewClientCredentials(ClientOptions) (credentials.TransportCredentials, error) {
	return nil, errors.New("this program was built without xDS")
}
