package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// RPC is one JSON-RPC endpoint. In the file it is a URL, or a mapping with these fields.
type RPC struct {
	// URL is http or https. It may carry a key and is never shown.
	URL Secret `yaml:"url"`
	// PerSecond is how many questions a second the endpoint is asked, each of a batch
	// counted. Default no limit.
	PerSecond float64 `yaml:"per_second"`
	// Name stands for the endpoint in logs and metrics. Default scheme and host of URL.
	Name string `yaml:"name"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (r *RPC) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err == nil {
		*r = RPC{URL: Secret(text)}
		return nil
	}
	type plain RPC
	var fields plain
	if err := decode(&fields); err != nil {
		return errors.New("an endpoint is a URL, or a mapping of url, per_second and name") // without the value: it may hold a key
	}
	*r = RPC(fields)
	return nil
}

// Hosts is how many different hosts the endpoints have: two URLs of one host are one opinion.
func (ch Chain) Hosts() int {
	set := map[string]bool{}
	for _, r := range ch.RPC {
		if u, err := url.Parse(string(r.URL)); err == nil {
			set[strings.ToLower(u.Host)] = true
		}
	}
	return len(set)
}

// maxPerSecond bounds RPC.PerSecond.
const maxPerSecond = 100_000

// rpcErrors are what cannot work about the endpoints.
func (ch Chain) rpcErrors(wrong func(field, format string, args ...any)) {
	if len(ch.RPC) == 0 {
		wrong("rpc", "at least one endpoint is needed")
	}
	names := map[string]bool{}
	for i, r := range ch.RPC {
		field := fmt.Sprintf("rpc[%d]", i)
		if err := httpURL(string(r.URL)); err != nil {
			wrong(field, "%v", err)
		}
		if r.PerSecond < 0 || r.PerSecond > maxPerSecond {
			wrong(field+".per_second", "must be between 0 and %d", maxPerSecond)
		}
		if r.Name != "" && names[r.Name] {
			wrong(field+".name", "two endpoints cannot have one name")
		}
		names[r.Name] = true
	}
	if ch.Agree < 0 || ch.Agree > max(ch.Hosts(), 1) {
		wrong("agree", "must be at most the number of endpoints of different hosts (%d)", ch.Hosts())
	}
	if len(ch.ConfirmAbove) == 0 {
		return
	}
	if ch.Hosts() < 2 || ch.Agree == 1 {
		wrong("confirm_above", "needs endpoints of at least two different hosts, and agree of at least 2")
	}
	for _, symbol := range slices.Sorted(maps.Keys(ch.ConfirmAbove)) {
		if !decimal(ch.ConfirmAbove[symbol]) {
			wrong("confirm_above."+symbol, "must be an amount like \"1000\" or \"0.5\"")
		}
	}
}

// decimal reports whether text is digits, with or without a fraction.
func decimal(text string) bool {
	whole, fraction, dotted := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && (!dotted || digits(fraction))
}
