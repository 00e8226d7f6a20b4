package dialgateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
)

// authority makes certificates in a folder.
type authority struct {
	t           *testing.T
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir(), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	a.certificate = a.write("ca", template, template, a.key, a.key)
	a.pool.AddCert(a.certificate)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name) }

func (a *authority) write(
	name string, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey,
) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{
		".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(a.path(name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate
}

// issue writes NAME.crt and NAME.key for a server and client of this name.
func (a *authority) issue(name string) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	a.write(name, template, a.certificate, newKey(a.t), a.key)
	pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) gateway() *gateway {
	return newGateway(a.t, grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{a.issue("gateway.test")},
		ClientCAs:    a.pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	})))
}

// TLS and mutual TLS are configured by files, which are read again for each new
// connection.
func TestTLSFromFiles(t *testing.T) {
	a := newAuthority(t)
	g := a.gateway()
	a.issue("caller")
	client := newClient(t, g.target,
		WithTLSFiles(a.path("ca.crt"), a.path("caller.crt"), a.path("caller.key")), WithServerName("gateway.test"))
	results, err := all(client.Dial(within(t), "c", requests(3)))
	wantAccepted(t, results, err, 3)
	if err := os.Remove(a.path("caller.key")); err != nil {
		t.Fatal(err)
	}
	client.channels.retire(client.channels.current)
	err = client.Ping(within(t))
	same(t, errors.Is(err, ErrUnavailable), true)
	same(t, errors.Is(err, os.ErrNotExist), true)
	a.issue("caller")
	if err := client.Ping(within(t)); err != nil {
		t.Fatal(err)
	}
}

// Errors of TLS are reported within seconds, while the call goes on.
func TestErrorsOfTLS(t *testing.T) {
	a := newAuthority(t)
	g := a.gateway()
	a.issue("caller")
	plain := newGateway(t)
	mutual := WithTLSFiles(a.path("ca.crt"), a.path("caller.crt"), a.path("caller.key"))
	for _, one := range []struct {
		name, target, text string
		options            []Option
	}{
		{"name", g.target, "WithServerName", []Option{mutual, WithServerName("other.test")}},
		{"authority", g.target, "authority that this client trusts",
			[]Option{WithTLSFiles("", a.path("caller.crt"), a.path("caller.key")), WithServerName("gateway.test")}},
		{"no TLS of the gateway", plain.target, "speaks without TLS", []Option{mutual, WithServerName("gateway.test")}},
		{"no TLS of the client", g.target, "may expect TLS", nil},
		{"no client certificate", g.target, "client certificate",
			[]Option{WithTLSFiles(a.path("ca.crt"), "", ""), WithServerName("gateway.test")}},
	} {
		t.Run(one.name, func(t *testing.T) {
			client := newClient(t, one.target, one.options...)
			began := time.Now()
			err := client.Ping(within(t))
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), one.text) {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, err := range client.Dial(within(t), "c", requests(1), OnDisconnect(func(err error) {
				if !strings.Contains(err.Error(), one.text) {
					t.Errorf("got %v", err)
				}
				_ = client.Close()
			})) {
				same(t, errors.Is(err, ErrClosed), true)
			}
		})
	}
}

// A target that is not a gateway: the error says so.
func TestTargetsThatAreNoGateway(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for target, text := range map[string]string{
		strings.TrimPrefix(web.URL, "http://"): "not a gateway",
		closed.Addr().String():                 "connection refused",
	} {
		err := newClient(t, target).Ping(within(t))
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", target, err)
		}
	}
}

// A gRPC server without the service ends the call after five attempts.
func TestServerWithoutTheService(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	client := newClient(t, listener.Addr().String())
	same(t, failureIn(t, client.Ping(within(t))).Code, codes.Unimplemented)
	_, err = all(client.Dial(within(t), "c", requests(1)))
	same(t, failureIn(t, err).Code, codes.Unimplemented)
}

// A gateway that restarts on its address: the call goes on.
func TestRestart(t *testing.T) {
	g := newGateway(t)
	client := newClient(t, g.target)
	client.jitter = func() float64 { return 0.1 }
	first := make(chan struct{})
	source := func(yield func(Request) bool) {
		for number, request := range requestList(1000) {
			if number == 500 {
				<-first
			}
			if !yield(request) {
				return
			}
		}
	}
	var results []Result
	for result, err := range client.Dial(within(t), "c", source) {
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, result)
		if len(results) == 500 {
			address := g.target
			g.server.Stop()
			g.serve(t, address)
			close(first)
		}
	}
	wantAccepted(t, results, nil, 1000)
}

// With GiveUpAfter an unreachable gateway ends the call.
func TestUnreachableGateway(t *testing.T) {
	client := newClient(t, "127.0.0.1:1", WithRetry(RetryPolicy{GiveUpAfter: 20 * time.Millisecond}))
	client.jitter = func() float64 { return 0.1 }
	_, err := all(client.Dial(within(t), "c", requests(2)))
	same(t, errors.Is(err, ErrUnavailable), true)
	failure := failureIn(t, err)
	equal(t, failure.Unanswered, []string{"t-0", "t-1"})
	equal(t, failure.InDoubt, nil)
}

// A call that ends with its context says why it had no connection.
func TestContextOfACallWithoutConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	disconnected := OnDisconnect(func(error) { time.AfterFunc(10*time.Millisecond, cancel) })
	client := newClient(t, "127.0.0.1:1")
	client.jitter = func() float64 { return 1 }
	_, err := all(client.Dial(ctx, "c", requests(1), disconnected))
	same(t, errors.Is(err, context.Canceled), true)
	if !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}
