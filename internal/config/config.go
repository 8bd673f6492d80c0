// Package config reads what an operator configures, from a YAML file and from
// the environment, and refuses what cannot work before anything is opened. It
// knows the names and limits of settings and nothing of the parts they set up.
package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Secret is text that never shows up in a log or a listing.
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// Config is everything an operator can set. The zero value of a field means its
// default.
type Config struct {
	// BaseURL is the public origin of the hosted page, without a trailing slash.
	BaseURL string `yaml:"base_url"`
	// Listen is the address the server answers on. Default 127.0.0.1:8402.
	Listen string `yaml:"listen"`
	// AdminListen is the address that those who run the server ask: numbers, health, the
	// log's level, profiles. It asks nobody who they are, so it must not be reachable from
	// outside; 127.0.0.1:8403 is a good one. Default none.
	AdminListen string `yaml:"admin_listen"`
	// Database is "sqlite:PATH" or "postgres://...". Default sqlite:quittance.db.
	Database Secret `yaml:"database"`
	// Keys seal secrets at rest and sign cookies, newest first: base64 of 32
	// random bytes each. `quittance keygen` makes one.
	Keys []Secret `yaml:"keys"`
	// TrustedProxies are networks whose X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// FrameAncestors are origins that may frame the page. Default none.
	FrameAncestors []string `yaml:"frame_ancestors"`
	// Window is how long a new payment may be paid. Default 168h.
	Window Duration `yaml:"window"`
	// Grace is how much later than the window a block may still count. Default 10m.
	Grace Duration `yaml:"grace"`
	// Drain is for how long a server that is told to stop still answers and /readyz says
	// 503, so that payers are sent to another node. Default 5s on PostgreSQL; with SQLite
	// there is no other node, and it stops at once.
	Drain Duration `yaml:"drain"`
	// LogLevel is debug, info, warn or error. Default info.
	LogLevel string `yaml:"log_level"`
	// Chains are the networks payments may be made on, by their name.
	Chains map[string]Chain `yaml:"chains"`
	// Compat loosens checks for the sake of published examples.
	Compat Compat `yaml:"compat"`
	// Webhooks says what outgoing calls may reach.
	Webhooks Webhooks `yaml:"webhooks"`
	// Limits are how often callers may call.
	Limits Limits `yaml:"limits"`
	// Pages says how many pages may follow payments at once.
	Pages Pages `yaml:"pages"`
	// Accounts says who may become a merchant.
	Accounts Accounts `yaml:"accounts"`
	// Screening says who is asked about wallets. Default nobody.
	Screening Screening `yaml:"screening"`
	// Data says for how long what is over stays where it is.
	Data Data `yaml:"data"`
	// Routing says how payers may pay from other chains and with other tokens.
	Routing Routing `yaml:"routing"`
	// Safe says how payments from Safe multisig accounts are taken.
	Safe Safe `yaml:"safe"`
	// Gasless says who pays for payers' gas, by network. Default nobody.
	Gasless map[string]Gasless `yaml:"gasless"`
	// Deposits says how what is due in dollars is paid.
	Deposits Deposits `yaml:"deposits"`
	// Prices says who is asked what assets cost. Default nobody: nothing is due in dollars.
	Prices Prices `yaml:"prices"`
	// Tracing says where traces go. Default nowhere.
	Tracing Tracing `yaml:"tracing"`
	// Sandbox has the networks be those of a running `quittance demo`, which writes such a
	// configuration for the operator's commands. It is not served. Default off.
	Sandbox bool `yaml:"sandbox"`
}

// Chain is how one network is read.
type Chain struct {
	// RPC are JSON-RPC endpoints; the first is asked first.
	RPC []RPC `yaml:"rpc"`
	// PublicRPC are endpoints a wallet may be told of when it adds the network.
	PublicRPC []string `yaml:"public_rpc"`
	// Confirmations make a block final. Default: the network's own.
	Confirmations int `yaml:"confirmations"`
	// FinalizedTag waits for the network's own finality instead, whatever the
	// number of confirmations.
	FinalizedTag bool `yaml:"finalized_tag"`
	// Agree is how many endpoints of different hosts must report a block, and the same
	// logs of it, before it is final. Default 2 where there are two or more, else 1.
	Agree int `yaml:"agree"`
	// ConfirmAbove are amounts by token symbol, {USDC: "1000"}: what is not more in a block
	// becomes final without its logs being compared. Default: all logs are compared.
	ConfirmAbove map[string]string `yaml:"confirm_above"`
	// StartBlock is where scanning begins on the first start. Default: the head.
	StartBlock uint64 `yaml:"start_block"`
	// MaxRange is how many blocks one question for logs may span. Default 1000.
	MaxRange uint64 `yaml:"max_range"`
	// Pins are the code hashes of the official contracts, by contract name, as
	// `quittance doctor --pin` writes them.
	Pins map[string]string `yaml:"pins"`
}

// Compat loosens checks for the sake of published examples.
type Compat struct {
	// PlaceholderChecksums accepts the two wrong destination checksums that the
	// vendor's documentation prints. Default off.
	PlaceholderChecksums bool `yaml:"placeholder_checksums"`
}

// Webhooks says what outgoing calls may reach.
type Webhooks struct {
	// AllowLoopback lets endpoints be on this machine, over plain http. For
	// development only.
	AllowLoopback bool `yaml:"allow_loopback"`
}

// Duration is a time.Duration written as "168h".
type Duration time.Duration

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (d *Duration) UnmarshalYAML(b []byte) error {
	text := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration like 168h", text)
	}
	*d = Duration(v)
	return nil
}

// String writes the duration.
func (d Duration) String() string { return time.Duration(d).String() }

// Load reads the file at path (none if path is empty), lets the environment
// override it, fills defaults and validates.
func Load(path string, getenv func(string) string) (*Config, error) {
	c := &Config{}
	if path != "" {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("configuration file %s does not exist", path)
		}
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.DisallowUnknownField()).Decode(c); err != nil && len(bytes.TrimSpace(b)) > 0 {
			// Without the lines around the mistake: they may hold keys.
			return nil, fmt.Errorf("configuration file %s: %s", path, yaml.FormatError(err, false, false))
		}
	}
	if err := c.environment(getenv); err != nil {
		return nil, err
	}
	c.defaults()
	if path != "" {
		if err := c.readPins(PinsPath(path)); err != nil {
			return nil, err
		}
	}
	return c, c.Validate()
}

func (c *Config) defaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8402"
	}
	if c.Database == "" {
		c.Database = "sqlite:quittance.db"
	}
	if c.Window == 0 {
		c.Window = Duration(7 * 24 * time.Hour)
	}
	if c.Drain == 0 && !strings.HasPrefix(string(c.Database), "sqlite:") {
		c.Drain = Duration(5 * time.Second)
	}
	if c.Grace == 0 {
		c.Grace = Duration(10 * time.Minute)
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	c.Limits.defaults()
	c.Data.defaults()
	c.Pages.defaults()
	c.Routing.defaults()
	c.Safe.defaults()
	c.Tracing.defaults()
	c.gaslessDefaults()
	c.pricesDefaults()
}

// Validate reports everything that is wrong, each with the field's name.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if err := origin(c.BaseURL); err != nil {
		wrong("base_url", "%v", err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		wrong("listen", "not a host:port address")
	}
	if d := string(c.Database); !strings.HasPrefix(d, "sqlite:") && !strings.HasPrefix(d, "postgres://") && !strings.HasPrefix(d, "postgresql://") {
		wrong("database", "must begin with sqlite: or postgres://")
	}
	if len(c.Keys) == 0 {
		wrong("keys", "at least one key is needed; `quittance keygen` makes one")
	}
	for i, k := range c.Keys {
		if b, err := base64.StdEncoding.DecodeString(string(k)); err != nil || len(b) != 32 {
			wrong(fmt.Sprintf("keys[%d]", i), "must be base64 of 32 bytes")
		}
	}
	if _, err := c.Proxies(); err != nil {
		wrong("trusted_proxies", "%v", err)
	}
	for i, f := range c.FrameAncestors {
		if err := origin(f); err != nil {
			wrong(fmt.Sprintf("frame_ancestors[%d]", i), "%v", err)
		}
	}
	if c.Drain < 0 || c.Drain > Duration(10*time.Minute) {
		wrong("drain", "must be between 0s and 10m")
	}
	if c.Window < 0 || c.Window > Duration(366*24*time.Hour) {
		wrong("window", "must be between 1s and 8784h")
	}
	if c.Grace < 0 || c.Grace > Duration(24*time.Hour) {
		wrong("grace", "must be at most 24h")
	}
	if _, err := c.Level(); err != nil {
		wrong("log_level", "must be debug, info, warn or error")
	}
	for name, ch := range c.Chains {
		errs = append(errs, ch.validate("chains."+name)...)
	}
	if err := c.adminListenError(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.Tracing.validate()...)
	errs = append(errs, c.Data.validate()...)
	errs = append(errs, c.Pages.validate()...)
	errs = append(errs, c.Screening.validate()...)
	errs = append(errs, c.Routing.validate()...)
	errs = append(errs, c.Safe.validate()...)
	errs = append(errs, c.gaslessErrors()...)
	errs = append(errs, c.pricesErrors()...)
	return errors.Join(errs...)
}

func (ch Chain) validate(field string) []error {
	var errs []error
	wrong := func(f, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", field, f, fmt.Sprintf(format, args...)))
	}
	ch.rpcErrors(wrong)
	for i, u := range ch.PublicRPC {
		if err := httpURL(u); err != nil || !strings.HasPrefix(u, "https://") {
			wrong(fmt.Sprintf("public_rpc[%d]", i), "must be an https URL")
		}
	}
	if ch.Confirmations < 0 || ch.Confirmations > 10_000 {
		wrong("confirmations", "must be between 1 and 10000")
	}
	if ch.FinalizedTag && ch.Confirmations > 0 {
		wrong("confirmations", "must be left out where finalized_tag waits for the network's own finality")
	}
	return errs
}

func origin(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("must be an origin like https://pay.example.com, without a path")
	}
	return nil
}

func httpURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("must be an http or https URL")
	}
	return nil
}

// Proxies returns the trusted networks.
func (c *Config) Proxies() ([]*net.IPNet, error) {
	var out []*net.IPNet
	for _, text := range c.TrustedProxies {
		_, n, err := net.ParseCIDR(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network like 10.0.0.0/8", text)
		}
		out = append(out, n)
	}
	return out, nil
}

// Level returns the log level.
func (c *Config) Level() (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(c.LogLevel))
	return l, err
}

// RawKeys returns the decoded keys; Validate has checked them.
func (c *Config) RawKeys() [][]byte {
	out := make([][]byte, len(c.Keys))
	for i, k := range c.Keys {
		out[i], _ = base64.StdEncoding.DecodeString(string(k))
	}
	return out
}
