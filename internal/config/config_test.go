package config_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

const key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="

func none(string) string { return "" }

func load(t *testing.T, text string, getenv func(string) string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, getenv)
}

// A mistake in the file is named without quoting the file: the lines around it
// may hold keys.
func TestMistakesDoNotQuoteSecrets(t *testing.T) {
	secrets := "keys: [" + key + "]\ndatabase: postgres://u:hunter2@h/db\n"
	rpc := "chains: {base: {rpc: [https://rpc.example/KEYKEY], "
	for name, text := range map[string]string{
		"unknown field":       secrets + "lisen: x\n",
		"wrong type":          secrets + rpc + "confirmations: [1]}}\n",
		"syntax":              "keys: [" + key + "\ndatabase: postgres://u:hunter2@h/db\n",
		"secret as list":      "database: [postgres://u:hunter2@h/db]\n",
		"key twice":           secrets + secrets,
		"not a duration":      secrets + "window: soon\n",
		"wrong key":           "base_url: https://x.example\nkeys: [" + key[:20] + "]\n",
		"wrong database":      "base_url: https://x.example\nkeys: [" + key + "]\ndatabase: mysql://u:hunter2@h\n",
		"wrong RPC":           "base_url: https://x.example\nkeys: [" + key + "]\nchains: {base: {rpc: [\"wss://rpc.example/KEYKEY\"]}}\n",
		"wrong origin":        "base_url: https://u:hunter2@x.example\nkeys: [" + key + "]\n",
		"a pin that is a key": secrets + rpc + "pins: {x: [" + key + "]}}}\n",
	} {
		_, err := load(t, text, none)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, secret := range []string{key, key[:20], "hunter2", "KEYKEY"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q is in: %v", name, secret, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	good := "base_url: https://x.example\nkeys: [" + key + "]\n"
	if c, err := load(t, good, none); err != nil || len(c.RawKeys()) != 1 || base64.StdEncoding.EncodeToString(c.RawKeys()[0]) != key {
		t.Fatalf("%v", err)
	}
	for text, field := range map[string]string{
		"window: -1h\n":                 "window",
		"window: 10000h\n":              "window",
		"grace: 25h\n":                  "grace",
		"drain: 1h\n":                   "drain",
		"log_level: loud\n":             "log_level",
		"trusted_proxies: [10.0.0.1]\n": "trusted_proxies",
		"frame_ancestors: [\"https://a.example https://b.example\"]\n":                "frame_ancestors[0]",
		"frame_ancestors: [\"https://a.example; script-src *\"]\n":                    "frame_ancestors[0]",
		"chains: {base: {rpc: []}}\n":                                                 "chains.base.rpc",
		"chains: {base: {rpc: [https://a], agree: 2}}\n":                              "chains.base.agree",
		"chains: {base: {rpc: [https://a], confirmations: -1}}\n":                     "chains.base.confirmations",
		"chains: {base: {rpc: [https://a], public_rpc: [http://a]}}\n":                "chains.base.public_rpc[0]",
		"chains: {base: {rpc: [https://a], finalized_tag: true, confirmations: 5}}\n": "chains.base.confirmations",
	} {
		if _, err := load(t, good+text, none); err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%q: got %v, want something about %s", text, err, field)
		}
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	env := map[string]string{
		"QUITTANCE_BASE_URL": "https://y.example", "QUITTANCE_KEYS": key + ", " + key, "QUITTANCE_WINDOW": "2h",
		"QUITTANCE_CHAIN_ARBITRUM_ONE_RPC": "https://a.example/k, https://b.example", "QUITTANCE_CHAIN_ARBITRUM_ONE_CONFIRMATIONS": "7",
	}
	c, err := load(t, "base_url: https://x.example\nwindow: 1h\n", func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	chain := c.Chains["arbitrum-one"]
	if c.BaseURL != "https://y.example" || len(c.Keys) != 2 || c.Window.String() != "2h0m0s" || len(chain.RPC) != 2 || chain.Confirmations != 7 {
		t.Errorf("%+v", c)
	}
}

// Where there may be other nodes a server that stops says goodbye.
func TestDrain(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "drain: 3s\n": 3 * time.Second, "database: postgres://db/q\n": 5 * time.Second, "database: postgres://db/q\ndrain: 1ms\n": time.Millisecond,
	} {
		if c, err := load(t, good+text, none); err != nil || time.Duration(c.Drain) != want {
			t.Errorf("%q: %v, %v", text, c.Drain, err)
		}
	}
	env := func(name string) string { return map[string]string{"QUITTANCE_DRAIN": "9s"}[name] }
	if c, err := load(t, good, env); err != nil || time.Duration(c.Drain) != 9*time.Second {
		t.Errorf("%v, %v", c.Drain, err)
	}
}

func TestPrintSaysWhatTheEnvironmentSetOfAChain(t *testing.T) {
	env := func(name string) string { return map[string]string{"QUITTANCE_CHAIN_BASE_CONFIRMATIONS": "33"}[name] }
	c, err := load(t, good+"chains: {base: {rpc: [\"https://rpc.example\"]}}\n", env)
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, c, env); !strings.Contains(got, "chains.base.confirmations: 33  (environment)\n") || strings.Count(got, "(environment)") != 1 {
		t.Errorf("printed:\n%s", got)
	}
}

// A sandbox is asked for, and seen.
func TestSandbox(t *testing.T) {
	if c, err := load(t, good, none); err != nil || c.Sandbox || strings.Contains(printed(t, c, none), "sandbox") {
		t.Errorf("by default: %v, %v", c.Sandbox, err)
	}
	if c, err := load(t, good+"sandbox: true\n", none); err != nil || !c.Sandbox || !strings.Contains(printed(t, c, none), "sandbox: true\n") {
		t.Errorf("asked for: %v, %v", c.Sandbox, err)
	}
}
