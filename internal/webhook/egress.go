package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"quittance/internal/fault"
)

// Limits of one call to a receiver.
const (
	Timeout         = 5 * time.Second // from name lookup to the end of the answer
	maxURL          = 2048
	maxCalled       = maxURL + 512 // what was registered, and the parameters that a dialect adds
	maxHeaderBytes  = 16 << 10
	maxAnswerBytes  = 64 << 10
	maxDialledAddrs = 4
)

// errNotPublic is said both of names that lead to an address that is not public
// and of names that lead nowhere: whoever chose the name must not learn from us
// what exists in the network we run in.
var errNotPublic = errors.New("the host has no public address")

// Guard decides which URLs given by users the server may call, and makes the
// only client that calls them. The rules: https, no credentials in the URL, an
// unprivileged port or 443, and a host all of whose addresses are public. The
// host is resolved once, by the guard, and exactly an address it has judged is
// dialled, so a name that changes its answer gains nothing. No proxy is used and
// no redirect is followed.
//
// The zero value is ready to use and is what a production server uses.
type Guard struct {
	// AllowLoopback also permits loopback addresses, over http and https and on
	// any port. It is for tests and the demo.
	AllowLoopback bool
	// Resolve looks a name up, nil for the system's resolver. Addresses are
	// judged whatever it answers.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots verify receivers' certificates, nil for the system's.
	Roots *x509.CertPool
}

// Check judges a URL by its text alone, for the moment it is registered. Names
// are not looked up, since what they lead to is judged again at every call.
//
// Fault: Invalid "webhook_url", on field "url".
func (g *Guard) Check(raw string) error {
	if _, err := g.parse(raw, maxURL); err != nil {
		return fault.Field("url", "webhook_url", "The webhook URL cannot be used: "+err.Error()+".")
	}
	return nil
}

// Client returns the client that calls user-given URLs. Its answers are cut off
// after 64 KiB, a redirect is returned as the answer it is, and connections are
// not kept. A new client shares nothing with another.
func (g *Guard) Client() *http.Client {
	return &http.Client{
		Timeout:       Timeout,
		Transport:     &guarded{guard: g, https: g.transport(g.mayDial), http: g.transport(isLoopback)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (g *Guard) transport(may func(netip.Addr) bool) *http.Transport {
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return g.dial(ctx, network, addr, may)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.Roots},
		TLSHandshakeTimeout:    Timeout,
		ResponseHeaderTimeout:  Timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// A pooled connection would outlive the judgement of its address, and a
		// compressed answer could unfold beyond the limit.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

// guarded judges every request by its text again, because what was stored may
// have been registered under other rules, and limits what is read.
type guarded struct {
	guard       *Guard
	https, http *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := t.guard.parse(r.URL.String(), maxCalled); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must close it, and nothing was read
		}
		return nil, err
	}
	via := t.https
	if r.URL.Scheme == "http" {
		via = t.http
	}
	res, err := via.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = limitedBody{io.LimitReader(res.Body, maxAnswerBytes), res.Body}
	return res, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// parse applies the rules that need no lookup. Its errors are clauses for people.
func (g *Guard) parse(raw string, longest int) (*url.URL, error) {
	if len(raw) > longest {
		return nil, fmt.Errorf("it is longer than %d characters", longest)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return nil, errors.New("it is not a complete URL")
	}
	host := strings.ToLower(u.Hostname())
	local := g.AllowLoopback && namesLoopback(host)
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local):
		return nil, errors.New("it must start with https://")
	case u.User != nil:
		return nil, errors.New("it must not hold a user name or password")
	case u.Fragment != "":
		return nil, errors.New("it must not have a fragment")
	case strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("its port is empty")
	}
	if err := checkPort(u.Port(), local); err != nil {
		return nil, err
	}
	if local {
		return u, nil
	}
	return u, checkHost(host)
}

// checkPort keeps away from the privileged ports of other protocols, where even
// the start of a TLS handshake may be taken for a command.
func checkPort(port string, local bool) error {
	if port == "" || local {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (n != 443 && n < 1024) {
		return errors.New("its port must be 443 or between 1024 and 65535")
	}
	return nil
}

// checkHost judges a lower-case host: a public address in its one usual
// spelling, or a name that can be public. Spellings that only some parsers take
// for an address (2130706433, 0x7f.1, 0177.0.0.1, 127.1) are refused, which is
// how the URL Standard tells them: the last label is a number.
func checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		if !IsPublic(addr) {
			return errors.New("its host is not a public address")
		}
		return nil
	}
	for _, c := range host {
		if c > 127 {
			return errors.New("its host must be in ASCII form; an international name starts with xn--")
		}
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	switch {
	case len(host) > 253:
		return errors.New("its host is too long")
	case last == "" && len(labels) > 1:
		return errors.New("its host must not end with a dot")
	case len(labels) < 2 || privateSuffix(host):
		return errors.New("its host is not a public name")
	case isNumber(last):
		return errors.New("its host is not a valid address")
	}
	for _, l := range labels {
		if !validLabel(l) {
			return errors.New("its host is not a valid name")
		}
	}
	return nil
}

// privateSuffix knows the names that can never be public (RFC 6761, RFC 6762,
// RFC 8375 and ICANN's reserved .internal). It only gives an early answer: any
// name that leads to a private address is refused when it is dialled.
func privateSuffix(host string) bool {
	for _, s := range []string{".localhost", ".local", ".internal", ".home.arpa", ".onion"} {
		if strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

func isNumber(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return true
	}
	for _, c := range label {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// validLabel accepts letters, digits, hyphens inside, and the underscore that
// some real host names have.
func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for _, c := range l {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// namesLoopback reports whether a host can only mean this machine.
func namesLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && isLoopback(addr)
}

func isLoopback(a netip.Addr) bool { return a.Zone() == "" && a.Unmap().IsLoopback() }

func (g *Guard) mayDial(a netip.Addr) bool {
	return IsPublic(a) || (g.AllowLoopback && isLoopback(a))
}

// dial resolves the host, refuses it if any of its addresses is not allowed (a
// mixed answer is how rebinding starts), and connects to one of those addresses.
func (g *Guard) dial(ctx context.Context, network, addr string, may func(netip.Addr) bool) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("splitting %q: %w", addr, err)
	}
	addrs, err := g.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !may(a) {
			return nil, errNotPublic
		}
	}
	addrs = addrs[:min(len(addrs), maxDialledAddrs)]
	var last error
	for i, a := range addrs {
		conn, err := dialOne(ctx, network, net.JoinHostPort(a.Unmap().String(), port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// dialOne gives this address its share of the time that is left, so that one
// that does not answer leaves some for the next.
func dialOne(ctx context.Context, network, addrPort string, left int) (net.Conn, error) {
	share := Timeout
	if end, ok := ctx.Deadline(); ok {
		share = time.Until(end)
	}
	d := net.Dialer{Timeout: share / time.Duration(left)}
	return d.DialContext(ctx, network, addrPort)
}

func (g *Guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	look := g.Resolve
	if look == nil {
		look = func(ctx context.Context, host string) ([]netip.Addr, error) {
			// The final dot keeps the resolver from trying its search domains.
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host+".")
		}
	}
	addrs, err := look(ctx, host)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil || len(addrs) == 0:
		return nil, errNotPublic
	}
	return addrs, nil
}
