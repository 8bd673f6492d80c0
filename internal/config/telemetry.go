package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Tracing says where traces go: which stretches of work a request or a sweep of a
// chain led to, up to the merchant's webhook.
type Tracing struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318/v1/traces. Default none: nothing is traced.
	Endpoint string `yaml:"endpoint"`
	// Headers are sent with every call, such as a provider's key. They are never shown.
	Headers map[string]Secret `yaml:"headers"`
	// Sample is the share of traces that are kept, above 0 and up to 1. Default 0.1.
	Sample float64 `yaml:"sample"`
}

const defaultSample = 0.1

// On reports whether anything is traced.
func (t Tracing) On() bool { return t.Endpoint != "" }

func (t *Tracing) defaults() {
	if t.Sample == 0 {
		t.Sample = defaultSample
	}
}

// watchEnvironment reads QUITTANCE_ADMIN_LISTEN and those of traces.
func (c *Config) watchEnvironment(getenv func(string) string) error {
	if v := getenv(prefix + "ADMIN_LISTEN"); v != "" {
		c.AdminListen = v
	}
	return c.Tracing.environment(getenv)
}

// environment reads QUITTANCE_TRACING_ENDPOINT, _HEADERS ("name=value,...") and _SAMPLE.
func (t *Tracing) environment(getenv func(string) string) error {
	if v := getenv(prefix + "TRACING_ENDPOINT"); v != "" {
		t.Endpoint = v
	}
	if v := getenv(prefix + "TRACING_HEADERS"); v != "" {
		t.Headers = map[string]Secret{}
		for _, pair := range list(v) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("%sTRACING_HEADERS: must be name=value pairs, separated by commas", prefix)
			}
			t.Headers[strings.TrimSpace(name)] = Secret(strings.TrimSpace(value))
		}
	}
	if v := getenv(prefix + "TRACING_SAMPLE"); v != "" {
		share, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("%sTRACING_SAMPLE: not a number", prefix)
		}
		t.Sample = share
	}
	return nil
}

func (t Tracing) validate() []error {
	var errs []error
	if err := httpURL(t.Endpoint); t.On() && err != nil {
		errs = append(errs, fmt.Errorf("tracing.endpoint: %w", err))
	}
	if t.On() && (t.Sample <= 0 || t.Sample > 1) {
		errs = append(errs, errors.New("tracing.sample: must be above 0 and at most 1"))
	}
	for name, value := range t.Headers {
		if !token(name) || strings.ContainsAny(string(value), "\r\n") {
			errs = append(errs, fmt.Errorf("tracing.headers: %q is no header that can be sent", name))
		}
	}
	return errs
}

// token reports whether a text can be a header's name.
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func (t Tracing) print(lines map[string]any) {
	if !t.On() {
		lines["tracing.endpoint"] = ""
		return
	}
	// The address may hold a key.
	lines["tracing.endpoint"], lines["tracing.sample"], lines["tracing.headers"] = "[secret]", t.Sample, fmt.Sprintf("%d set", len(t.Headers))
}

// adminListenError says what is wrong with the address that those who watch ask, nil for
// nothing.
func (c *Config) adminListenError() error {
	if c.AdminListen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.AdminListen)
	if err != nil {
		return errors.New("admin_listen: not a host:port address")
	}
	public, publicPort, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil // said of listen
	}
	// Of two addresses with one port, one that means all takes the other's place.
	if port == publicPort && port != "0" && (host == public || anyHost(host) || anyHost(public)) {
		return errors.New("admin_listen: must be another address than listen: what it tells is not for the public")
	}
	return nil
}

func anyHost(host string) bool {
	return host == "" || net.ParseIP(host).IsUnspecified()
}
