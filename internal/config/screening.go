package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"time"
)

// Screening says who is asked about wallets of payments that ask for it.
type Screening struct {
	// SanctionsList is a file of addresses that nobody may deal with: one on a
	// line, CSV with an address column, or a JSON array. It is asked first, is read
	// again when it changes, and is the provider "sanctions_list".
	SanctionsList string `yaml:"sanctions_list"`
	// Default is the provider of merchants that name none. It may be left out
	// where there is one provider, or nothing but the list.
	Default string `yaml:"default"`
	// Providers are asked over HTTP, by the name under which merchants name them.
	Providers map[string]ScreeningProvider `yaml:"providers"`
}

// ScreeningProvider is how one provider is asked.
type ScreeningProvider struct {
	URL Secret `yaml:"url"` // https, or http on this machine; may carry a key
	Key Secret `yaml:"key"` // sent as a bearer token
	// Timeout is for one try; there are two. Default 3s, at most 4s.
	Timeout Duration `yaml:"timeout"`
}

// sanctionsList is the reserved name of the list among the providers.
const sanctionsList = "sanctions_list"

const maxScreeningTimeout = Duration(4 * time.Second)

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// ProviderNames returns the providers' names in order.
func (s Screening) ProviderNames() []string {
	var names []string
	for name := range s.Providers {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (s Screening) validate() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("screening.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	for _, name := range s.ProviderNames() {
		p, f := s.Providers[name], "providers."+name
		if !providerName.MatchString(name) || name == sanctionsList {
			wrong(f, "a provider's name is lower-case letters, digits, - and _, and not %s", sanctionsList)
		}
		if err := serviceURL(string(p.URL)); err != nil {
			wrong(f+".url", "%v", err)
		}
		if p.Key == "" || strings.ContainsAny(string(p.Key), " \t\r\n") {
			wrong(f+".key", "a key without spaces is needed")
		}
		if p.Timeout < 0 || p.Timeout > maxScreeningTimeout {
			wrong(f+".timeout", "must be at most %s", maxScreeningTimeout)
		}
	}
	_, known := s.Providers[s.Default]
	switch {
	case s.Default == "" && len(s.Providers) > 1:
		wrong("default", "one of several providers must be the default")
	case s.Default != "" && !known && (s.Default != sanctionsList || s.SanctionsList == ""):
		wrong("default", "there is no such provider")
	}
	return errs
}

func serviceURL(text string) error {
	u, err := url.Parse(text)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !local)) {
		return errors.New("must be an https URL, or http on this machine")
	}
	return nil
}

// screeningEnvironment lets variables override the file:
// QUITTANCE_SCREENING_SANCTIONS_LIST, QUITTANCE_SCREENING_DEFAULT and, for each
// provider in the file, QUITTANCE_SCREENING_<NAME>_URL and _KEY, with dashes as
// underscores.
func (c *Config) screeningEnvironment(getenv func(string) string) {
	name := prefix + "SCREENING_"
	if v := getenv(name + "SANCTIONS_LIST"); v != "" {
		c.Screening.SanctionsList = v
	}
	if v := getenv(name + "DEFAULT"); v != "" {
		c.Screening.Default = v
	}
	for provider, p := range c.Screening.Providers {
		f := name + strings.ToUpper(strings.ReplaceAll(provider, "-", "_")) + "_"
		if v := getenv(f + "URL"); v != "" {
			p.URL = Secret(v)
		}
		if v := getenv(f + "KEY"); v != "" {
			p.Key = Secret(v)
		}
		c.Screening.Providers[provider] = p
	}
}
