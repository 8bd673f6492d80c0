package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Accounts says who may become a merchant.
type Accounts struct {
	// OpenSignup makes a merchant of any wallet that signs in for the first time.
	// Default off.
	OpenSignup bool `yaml:"open_signup"`
}

// Limits are how often callers may call, each "a minute/at once", like 300/20,
// or 0 for no limit.
type Limits struct {
	// ClientIDs is for each client id and address. Default 300/20.
	ClientIDs Rate `yaml:"client_ids"`
	// APIKeys is for each API key and address. Default 12000/400.
	APIKeys Rate `yaml:"api_keys"`
	// Sessions is for each address: calls of sessions, and signing in. Default 300/20.
	Sessions Rate `yaml:"sessions"`
	// Page is for each address: what the hosted page sends. Default 300/60.
	Page Rate `yaml:"page"`
	// Refused is for each address: credentials that were refused. Default 60/30.
	Refused Rate `yaml:"refused"`
	// Links is for each token of the SecPaid dialect and address. Default 60/60.
	Links Rate `yaml:"links"`
	// Guesses is for each address: payment links that are nobody's. Default 30/30.
	Guesses Rate `yaml:"guesses"`
}

// Rate is a number a minute and how many of them at once. The zero value means
// the default.
type Rate struct {
	PerMinute, Burst int
	set              bool
}

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (r *Rate) UnmarshalYAML(b []byte) error {
	return r.parse(strings.Trim(strings.TrimSpace(string(b)), `"'`))
}

func (r *Rate) parse(text string) error {
	if text == "0" {
		*r = Rate{set: true}
		return nil
	}
	minute, burst, _ := strings.Cut(text, "/")
	a, err := strconv.Atoi(minute)
	b, err2 := strconv.Atoi(burst)
	if err != nil || err2 != nil || a < 1 || a > maxPerMinute || b < 1 || b > maxBurst {
		return fmt.Errorf("%q is no rate like 300/20 (a minute, and at once), and not 0 for none", text)
	}
	*r = Rate{PerMinute: a, Burst: b, set: true}
	return nil
}

// The greatest rates that can be counted.
const (
	maxPerMinute = 6_000_000
	maxBurst     = 1_000_000
)

// String writes the rate as it is configured.
func (r Rate) String() string {
	if r.PerMinute == 0 {
		return "0"
	}
	return strconv.Itoa(r.PerMinute) + "/" + strconv.Itoa(r.Burst)
}

// fields are the limits by their names.
func (l *Limits) fields() map[string]*Rate {
	return map[string]*Rate{
		"client_ids": &l.ClientIDs, "api_keys": &l.APIKeys, "sessions": &l.Sessions, "page": &l.Page, "refused": &l.Refused,
		"links": &l.Links, "guesses": &l.Guesses,
	}
}

func (l *Limits) defaults() {
	for name, text := range map[string]string{
		"client_ids": "300/20", "api_keys": "12000/400", "sessions": "300/20", "page": "300/60", "refused": "60/30",
		"links": "60/60", "guesses": "30/30",
	} {
		if r := l.fields()[name]; !r.set {
			_ = r.parse(text) // the defaults above are rates
		}
	}
}

// environment reads QUITTANCE_LIMITS_CLIENT_IDS and its like.
func (l *Limits) environment(getenv func(string) string) error {
	for name, r := range l.fields() {
		variable := prefix + "LIMITS_" + strings.ToUpper(name)
		if v := getenv(variable); v != "" {
			if err := r.parse(v); err != nil {
				return fmt.Errorf("%s: %w", variable, err)
			}
		}
	}
	return nil
}
