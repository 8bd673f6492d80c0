package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Routing says how payers may pay from other chains and with other tokens, over
// a routing service.
type Routing struct {
	// Enabled offers routes where one of the chains is known to the service.
	// Default true.
	Enabled *bool `yaml:"enabled"`
	// BaseURL is the service's API. Default LI.FI's own.
	BaseURL string `yaml:"base_url"`
	// APIKey raises what the service allows. Default none, which it serves too.
	APIKey Secret `yaml:"api_key"`
	// Integrator is a name registered with the service. Default none.
	Integrator string `yaml:"integrator"`
	// Bridges may be used, in order of preference. Default across and stargateV2,
	// which are all whose calldata can be proven.
	Bridges []string `yaml:"bridges"`
	// Slippage is what an exchange or a bridge may take more than it said. Default 0.5.
	Slippage Percent `yaml:"slippage"`
	// MaxCost is what a route may cost on top of what is due. Default 5.
	MaxCost Percent `yaml:"max_cost"`
	// Timeout is for one question. Default 25s, at most 60s.
	Timeout Duration `yaml:"timeout"`
}

// On reports whether routes may be offered.
func (r Routing) On() bool { return r.Enabled == nil || *r.Enabled }

// Percent is a percentage in hundredths. The zero value means the default.
type Percent int

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (p *Percent) UnmarshalYAML(b []byte) error {
	return p.parse(strings.Trim(strings.TrimSpace(string(b)), `"'`))
}

// parse reads a percentage above 0 with at most two decimals.
func (p *Percent) parse(text string) error {
	whole, part, dotted := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	n, err := strconv.Atoi(whole + (part + "00")[:2])
	if !digits(whole) || (dotted && !digits(part)) || len(part) > 2 || len(whole) > 3 || err != nil || n == 0 {
		return fmt.Errorf("%q is no percentage like 0.5, above 0 and with at most two decimals", text)
	}
	*p = Percent(n)
	return nil
}

// String writes the percentage as it is configured.
func (p Percent) String() string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", p/100, p%100), "0"), ".")
}

// The bridges whose calldata can be proven.
var bridges = []string{"across", "stargateV2"}

// The greatest settings that are of any use: more slippage than this no honest
// dollar route needs, and no payer waits longer.
const (
	maxSlippage       = Percent(500)
	maxRouteCost      = Percent(2000)
	maxRoutingTimeout = Duration(time.Minute)
)

func (r *Routing) defaults() {
	if r.BaseURL == "" {
		r.BaseURL = "https://li.quest/v1"
	}
	if len(r.Bridges) == 0 {
		r.Bridges = append([]string{}, bridges...)
	}
	if r.Slippage == 0 {
		r.Slippage = 50
	}
	if r.MaxCost == 0 {
		r.MaxCost = 500
	}
	if r.Timeout == 0 {
		r.Timeout = Duration(25 * time.Second)
	}
}

func (r Routing) validate() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("routing.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if err := serviceURL(r.BaseURL); err != nil {
		wrong("base_url", "%v", err)
	} else if strings.ContainsAny(r.BaseURL, "?#@") {
		wrong("base_url", "must have no name, password or query: the key is routing.api_key")
	}
	if strings.ContainsFunc(string(r.APIKey), func(c rune) bool { return c <= ' ' || c > '~' }) {
		wrong("api_key", "has characters that no key has")
	}
	if strings.ContainsFunc(r.Integrator, func(c rune) bool { return c <= ' ' || c > '~' }) || len(r.Integrator) > 64 {
		wrong("integrator", "must be a name without spaces, as it is registered")
	}
	seen := map[string]bool{}
	for i, b := range r.Bridges {
		if (b != bridges[0] && b != bridges[1]) || seen[b] {
			wrong(fmt.Sprintf("bridges[%d]", i), "must be across or stargateV2, each once: no others can be proven")
		}
		seen[b] = true
	}
	if r.Slippage > maxSlippage {
		wrong("slippage", "must be at most %s percent", maxSlippage)
	}
	if r.MaxCost > maxRouteCost {
		wrong("max_cost", "must be at most %s percent", maxRouteCost)
	}
	if r.Timeout < Duration(time.Second) || r.Timeout > maxRoutingTimeout {
		wrong("timeout", "must be between 1s and %s", maxRoutingTimeout)
	}
	return errs
}

// environment reads QUITTANCE_ROUTING_ENABLED (true or false), _BASE_URL, _API_KEY,
// _INTEGRATOR, _BRIDGES, _SLIPPAGE, _MAX_COST and _TIMEOUT.
func (r *Routing) environment(getenv func(string) string) error {
	name := prefix + "ROUTING_"
	if v := getenv(name + "ENABLED"); v != "" {
		on := v == "true"
		if !on && v != "false" {
			return fmt.Errorf("%sENABLED: must be true or false", name)
		}
		r.Enabled = &on
	}
	if v := getenv(name + "BASE_URL"); v != "" {
		r.BaseURL = v
	}
	if v := getenv(name + "API_KEY"); v != "" {
		r.APIKey = Secret(v)
	}
	if v := getenv(name + "INTEGRATOR"); v != "" {
		r.Integrator = v
	}
	if v := getenv(name + "BRIDGES"); v != "" {
		r.Bridges = list(v)
	}
	for field, to := range map[string]*Percent{"SLIPPAGE": &r.Slippage, "MAX_COST": &r.MaxCost} {
		if v := getenv(name + field); v != "" {
			if err := to.parse(v); err != nil {
				return fmt.Errorf("%s%s: %w", name, field, err)
			}
		}
	}
	if v := getenv(name + "TIMEOUT"); v != "" {
		if err := r.Timeout.UnmarshalYAML([]byte(v)); err != nil {
			return fmt.Errorf("%sTIMEOUT: %w", name, err)
		}
	}
	return nil
}

// print adds the settings as they are understood.
func (r Routing) print(lines map[string]any) {
	lines["routing.enabled"] = r.On()
	if !r.On() {
		return
	}
	key := "none"
	if r.APIKey != "" {
		key = r.APIKey.String()
	}
	lines["routing.base_url"], lines["routing.api_key"], lines["routing.integrator"] = r.BaseURL, key, r.Integrator
	lines["routing.bridges"], lines["routing.slippage"], lines["routing.max_cost"] = r.Bridges, r.Slippage, r.MaxCost
	lines["routing.timeout"] = r.Timeout
}
