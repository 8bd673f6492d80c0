package app

import (
	"log/slog"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/config"
)

func TestDoctorCountsOpinions(t *testing.T) {
	for _, c := range []struct {
		urls []string
		want string
	}{
		{[]string{"https://a.example"}, "what it says is believed"},
		{[]string{"https://a.example/1", "https://A.example/2"}, "one opinion"},
		{[]string{"https://a.example", "https://b.example", "https://b.example/2"}, "2 of different hosts, 2 must agree"},
	} {
		setup := ChainSetup{ID: asset.SandboxBase, Agree: 2}
		for _, u := range c.urls {
			setup.Endpoints = append(setup.Endpoints, chain.Endpoint{URL: u})
		}
		var got []Finding
		d := &doctor{report: func(f Finding) { got = append(got, f) }}
		d.opinions("base", Setup{Log: slog.New(slog.DiscardHandler)}, setup)
		if len(got) != 1 || !got[0].OK || !strings.Contains(got[0].Detail, c.want) {
			t.Errorf("%v: findings %+v", c.urls, got)
		}
	}
}

func TestAmountsToConfirmAreOfTheNetworksTokens(t *testing.T) {
	chains, tokens := asset.Real()
	for _, c := range chains {
		if c.Network != "base" {
			continue
		}
		above, err := confirmAbove(c, config.Chain{ConfirmAbove: map[string]string{"USDC": "1000"}}, tokens)
		if err != nil || len(above) == 0 {
			t.Fatalf("%v, %v", above, err)
		}
		for id, amount := range above {
			if amount.String() != "1000000000" {
				t.Errorf("%s above %s", id, amount)
			}
		}
		if _, err := confirmAbove(c, config.Chain{ConfirmAbove: map[string]string{"NOPE": "1"}}, tokens); err == nil || !strings.Contains(err.Error(), "chains.base.confirm_above.NOPE") {
			t.Errorf("error %v", err)
		}
	}
}
