// Package xds stands for the package of grpc-go that balances calls as an xDS server says. It registers nothing.
package xds
