package app

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/config"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// What a configuration means for Safes.
func TestSafeSetup(t *testing.T) {
	load := func() *config.Config {
		c, err := config.Load("", func(name string) string {
			return map[string]string{
				"QUITTANCE_BASE_URL": "https://pay.example.com", "QUITTANCE_KEYS": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
				"QUITTANCE_CHAIN_MATIC_RPC": "http://127.0.0.1:1",
			}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	build := func(c *config.Config) Setup {
		s, err := production(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	c := load()
	if s := build(c); s.Safe == nil || s.Safe.Service != nil || len(s.FrameAncestors) != 0 || len(s.Safe.Table.Contracts(asset.Matic, safe.MultiSendCallOnly)) == 0 {
		t.Errorf("by default: %+v, framed by %v", s.Safe, s.FrameAncestors)
	}
	c.FrameAncestors, c.Safe.FrameAncestors = []string{"https://shop.example"}, []string{"https://app.safe.global", "https://shop.example"}
	if s := build(c); !slices.Equal(s.FrameAncestors, []string{"https://app.safe.global", "https://shop.example"}) {
		t.Errorf("framed by %v", s.FrameAncestors)
	}
	c.Safe.Service.Enabled, c.Safe.Service.V1, c.Safe.Service.APIKey = true, true, "k"
	s := build(c).Safe.Service
	if s == nil || s.BaseURLs != nil || !s.V1 || s.APIKey != "k" || s.Timeout == 0 {
		t.Errorf("Safe's own service: %+v", s)
	}
	c.Safe.Service.BaseURLs = map[string]string{"matic": "https://safes.example/api"}
	if s := build(c).Safe.Service; len(s.BaseURLs) != 1 || s.BaseURLs[asset.Matic] != "https://safes.example/api" {
		t.Errorf("a service of one's own: %+v", s)
	}
	c.Safe.Service.BaseURLs["base"] = "https://safes.example/api"
	if _, err := production(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "safe.service.base_urls.base") {
		t.Errorf("a service of a chain that there is not: %v", err)
	}
	off := false
	c.Safe.Enabled = &off
	if s := build(c); s.Safe != nil || !slices.Equal(s.FrameAncestors, []string{"https://shop.example"}) {
		t.Errorf("switched off: %+v, framed by %v", s.Safe, s.FrameAncestors)
	}
}

// The doctor names the Safes that can pay, a service that does not answer, and
// whoever may frame the page.
func TestDoctorOfSafes(t *testing.T) {
	for name, c := range map[string]struct {
		without []safe.Kind
		want    string
	}{
		"all":                       {nil, "base Safe contracts: Safes of 1.3.0, 1.4.1, 1.5.0 can pay"},
		"none for batches of calls": {[]safe.Kind{safe.MultiSendCallOnly}, "! base Safe contracts: MultiSendCallOnly is there for no version: Safes cannot pay with tokens"},
	} {
		chain := realBase(t, safetest.Contracts(t, base, c.without...)...)
		chain.Mine(1)
		path, load := writeConfig(t, chain, "127.0.0.1:0")
		if err := Pin(t.Context(), load(), config.PinsPath(path), io.Discard); err != nil {
			t.Fatal(err)
		}
		setUp(t, load())
		service := safetest.NewService()
		url := service.Serve(t)
		examine := func(change func(*config.Config)) []string {
			cfg := load()
			change(cfg)
			var out []string
			_ = Doctor(t.Context(), cfg, func(f Finding) {
				if strings.Contains(f.Check, "Safe") || f.Check == "framing" {
					out = append(out, fmt.Sprintf("%s%s: %s", map[bool]string{false: "! "}[f.OK], f.Check, f.Detail))
				}
			})
			return out
		}
		if got := examine(func(*config.Config) {}); !slices.Equal(got, []string{c.want, "framing: nobody may: the page is no Safe App"}) || service.Asked() != 0 {
			t.Errorf("%s: %q, and %d questions to the service", name, got, service.Asked())
		}
		asked := func(cfg *config.Config) {
			cfg.Safe.Service.Enabled, cfg.Safe.Service.APIKey = true, "HIDDENKEY"
			cfg.Safe.Service.BaseURLs = map[string]string{"base": url + "/api"}
			cfg.Safe.FrameAncestors = []string{"https://app.safe.global"}
		}
		if got := examine(asked); len(got) != 3 || got[1] != "base Safe service: it answers" || got[2] != "framing: https://app.safe.global" {
			t.Errorf("%s: %q", name, got)
		}
		service.Behave(safetest.Behaviour{Status: 503})
		if got := examine(asked); len(got) != 3 || !strings.HasPrefix(got[1], "! base Safe service: ") || !strings.Contains(got[1], "503") || strings.Contains(got[1], "HIDDEN") {
			t.Errorf("%s: %q", name, got)
		}
		off := func(cfg *config.Config) {
			no := false
			cfg.Safe.Enabled, cfg.FrameAncestors = &no, []string{"https://shop.example"}
		}
		if got := examine(off); !slices.Equal(got, []string{"framing: https://shop.example"}) {
			t.Errorf("%s, switched off: %q", name, got)
		}
	}
}
