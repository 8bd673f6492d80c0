package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Safe says how payments from Safe multisig accounts are taken.
type Safe struct {
	// Enabled takes them. Default true: chains alone tell all that is needed.
	Enabled *bool `yaml:"enabled"`
	// Service is who is asked what chains do not tell yet.
	Service SafeService `yaml:"service"`
	// FrameAncestors are origins that may open the page as a Safe App, in a frame:
	// https://app.safe.global. Default none.
	FrameAncestors []string `yaml:"frame_ancestors"`
}

// On reports whether payments from Safes are taken.
func (s Safe) On() bool { return s.Enabled == nil || *s.Enabled }

// SafeService is a Safe Transaction Service: it collects owners' signatures. It
// speeds things up and is never believed by itself.
type SafeService struct {
	// Enabled asks it. Default false: it learns which transactions are of interest
	// here.
	Enabled bool `yaml:"enabled"`
	// APIKey raises what Safe's own service allows. Default none.
	APIKey Secret `yaml:"api_key"`
	// BaseURLs are services by network, up to and with /api. Default Safe's own;
	// where some are named, no others are asked.
	BaseURLs map[string]string `yaml:"base_urls"`
	// V1 asks the older endpoints, for a service of one's own that has no others.
	V1 bool `yaml:"v1"`
	// Timeout is for one question. Default 5s, at most 10s.
	Timeout Duration `yaml:"timeout"`
}

const maxSafeTimeout = Duration(10 * time.Second)

func (s *Safe) defaults() {
	if s.Service.Timeout == 0 {
		s.Service.Timeout = Duration(5 * time.Second)
	}
}

func (s Safe) validate() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("safe.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	for i, o := range s.FrameAncestors {
		if err := frameOrigin(o); err != nil {
			wrong(fmt.Sprintf("frame_ancestors[%d]", i), "%v", err)
		}
	}
	for _, network := range slices.Sorted(maps.Keys(s.Service.BaseURLs)) {
		f, u := "service.base_urls."+network, s.Service.BaseURLs[network]
		if !slices.Contains(Networks(), network) {
			wrong(f, "only these networks are known: %v", Networks())
		}
		if err := serviceURL(u); err != nil {
			wrong(f, "%v", err)
		} else if strings.ContainsAny(u, "?#@") {
			wrong(f, "must have no name, password or query: the key is safe.service.api_key")
		}
	}
	if strings.ContainsFunc(string(s.Service.APIKey), func(c rune) bool { return c <= ' ' || c > '~' }) {
		wrong("service.api_key", "has characters that no key has")
	}
	if t := s.Service.Timeout; t < Duration(100*time.Millisecond) || t > maxSafeTimeout {
		wrong("service.timeout", "must be between 100ms and %s", maxSafeTimeout)
	}
	return errs
}

// frameOrigin takes an https origin, or an http one on this machine: whoever may
// frame the page is trusted with what payers see, and a wire that anybody can
// write to is not. Nothing in it may end the header it goes into.
func frameOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || origin(text) != nil || strings.ContainsAny(text, " ;,'\"*") || u.Hostname() == "" {
		return errors.New("must be an origin like https://app.safe.global, without a path")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && !local {
		return errors.New("must be https, or http on this machine")
	}
	return nil
}

// environment reads QUITTANCE_SAFE_ENABLED (true or false), _FRAME_ANCESTORS,
// _SERVICE_ENABLED, _SERVICE_API_KEY, _SERVICE_V1, _SERVICE_TIMEOUT and, for each
// network, _SERVICE_BASE_URLS_<NETWORK>, with dashes as underscores.
func (s *Safe) environment(getenv func(string) string) error {
	name := prefix + "SAFE_"
	enabled := s.On()
	for field, to := range map[string]*bool{"ENABLED": &enabled, "SERVICE_ENABLED": &s.Service.Enabled, "SERVICE_V1": &s.Service.V1} {
		if v := getenv(name + field); v != "" {
			if *to = v == "true"; !*to && v != "false" {
				return fmt.Errorf("%s%s: must be true or false", name, field)
			}
		}
	}
	s.Enabled = &enabled
	if v := getenv(name + "FRAME_ANCESTORS"); v != "" {
		s.FrameAncestors = list(v)
	}
	if v := getenv(name + "SERVICE_API_KEY"); v != "" {
		s.Service.APIKey = Secret(v)
	}
	if v := getenv(name + "SERVICE_TIMEOUT"); v != "" {
		if err := s.Service.Timeout.UnmarshalYAML([]byte(v)); err != nil {
			return fmt.Errorf("%sSERVICE_TIMEOUT: %w", name, err)
		}
	}
	for _, network := range Networks() {
		v := getenv(name + "SERVICE_BASE_URLS_" + strings.ToUpper(strings.ReplaceAll(network, "-", "_")))
		if v == "" {
			continue
		}
		if s.Service.BaseURLs == nil {
			s.Service.BaseURLs = map[string]string{}
		}
		s.Service.BaseURLs[network] = v
	}
	return nil
}

// print adds the settings as they are understood.
func (s Safe) print(lines map[string]any) {
	lines["safe.enabled"] = s.On()
	if !s.On() {
		return
	}
	lines["safe.frame_ancestors"], lines["safe.service.enabled"] = s.FrameAncestors, s.Service.Enabled
	if !s.Service.Enabled {
		return
	}
	key := "none"
	if s.Service.APIKey != "" {
		key = s.Service.APIKey.String()
	}
	lines["safe.service.api_key"], lines["safe.service.v1"], lines["safe.service.timeout"] = key, s.Service.V1, s.Service.Timeout
	for network, u := range s.Service.BaseURLs {
		lines["safe.service.base_urls."+network] = u
	}
	if len(s.Service.BaseURLs) == 0 {
		lines["safe.service.base_urls"] = "Safe's own"
	}
}
