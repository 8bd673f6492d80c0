package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chainFile is a configuration with this for the chain base.
func chainFile(t *testing.T, base string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "quittance.yaml")
	text := "base_url: https://x.example\nkeys: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]\nchains:\n  base:\n    " + strings.ReplaceAll(base, "\n", "\n    ") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, func(string) string { return "" })
}

func TestEndpointsAreURLsOrMappings(t *testing.T) {
	c, err := chainFile(t, "rpc:\n  - https://a.example/KEY\n  - {url: https://b.example, per_second: 12.5, name: own node}\nconfirm_above: {USDC: \"1000\", ETH: \"0.5\"}")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Chains["base"]
	if len(got.RPC) != 2 || got.RPC[0] != (RPC{URL: "https://a.example/KEY"}) || got.RPC[1] != (RPC{URL: "https://b.example", PerSecond: 12.5, Name: "own node"}) {
		t.Errorf("got %d endpoints, %q and %v a second", len(got.RPC), got.RPC[1].Name, got.RPC[1].PerSecond)
	}
	if got.ConfirmAbove["ETH"] != "0.5" || got.Hosts() != 2 {
		t.Errorf("confirm above %v, %d hosts", got.ConfirmAbove, got.Hosts())
	}
}

func TestEndpointsThatCannotWork(t *testing.T) {
	for text, want := range map[string]string{
		"rpc: [{url: \"https://a.example/SECRET\", persecond: 1}]":                            "an endpoint is a URL",
		"rpc: [[\"https://a.example/SECRET\"]]":                                               "an endpoint is a URL",
		"rpc: [{url: \"https://a.example/SECRET\", per_second: -1}]":                          "rpc[0].per_second",
		"rpc: [{per_second: 1}]":                                                              "rpc[0]",
		"rpc: [{url: https://a.example, name: x}, {url: https://b.example, name: x}]":         "one name",
		"rpc: [https://a.example/SECRET1, https://A.example/SECRET2]\nagree: 2":               "different hosts (1)",
		"rpc: [https://a.example/SECRET]\nconfirm_above: {USDC: \"5\"}":                       "confirm_above",
		"rpc: [https://a.example, https://b.example]\nagree: 1\nconfirm_above: {USDC: \"5\"}": "confirm_above",
		"rpc: [https://a.example, https://b.example]\nconfirm_above: {USDC: much}":            "confirm_above.USDC",
	} {
		_, err := chainFile(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error quotes the URL: %v", text, err)
		}
	}
}
