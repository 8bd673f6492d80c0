package config

import (
	"fmt"
	"strconv"
)

// Pages says how many pages may follow payments at once, on each node. More of them work
// as well: they ask how their payment stands instead.
type Pages struct {
	// Open is for all together. Default 20000.
	Open int `yaml:"open"`
	// OpenPerAddress is for one address, or IPv6 network of /64. Default 1000.
	OpenPerAddress int `yaml:"open_per_address"`
}

const mostPages = 1_000_000

func (p *Pages) fields() map[string]*int {
	return map[string]*int{"open": &p.Open, "open_per_address": &p.OpenPerAddress}
}

func (p *Pages) defaults() {
	if p.Open == 0 {
		p.Open = 20_000
	}
	if p.OpenPerAddress == 0 {
		p.OpenPerAddress = min(1000, p.Open)
	}
}

func (p *Pages) validate() (errs []error) {
	for name, n := range p.fields() {
		if *n < 1 || *n > mostPages {
			errs = append(errs, fmt.Errorf("pages.%s: must be between 1 and %d", name, mostPages))
		}
	}
	return errs
}

func (p *Pages) environment(getenv func(string) string) error {
	for name, to := range map[string]*int{"PAGES_OPEN": &p.Open, "PAGES_OPEN_PER_ADDRESS": &p.OpenPerAddress} {
		v := getenv(prefix + name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%s%s: not a number", prefix, name)
		}
		*to = n
	}
	return nil
}

func (p *Pages) print(lines map[string]any) {
	for name, n := range p.fields() {
		lines["pages."+name] = *n
	}
}
