package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

const good = "base_url: https://x.example\nkeys: [" + key + "]\n"

func TestRouting(t *testing.T) {
	c, err := load(t, good, none)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Routing; !r.On() || r.BaseURL != "https://li.quest/v1" || !slices.Equal(r.Bridges, []string{"across", "stargateV2"}) ||
		r.Slippage != 50 || r.MaxCost != 500 || time.Duration(r.Timeout) != 25*time.Second || r.APIKey != "" {
		t.Errorf("by default: %+v", r)
	}
	c, err = load(t, good+"routing: {base_url: \"http://127.0.0.1:9/v1\", api_key: HIDDENKEY, integrator: my-shop, bridges: [stargateV2], slippage: \"0.05\", max_cost: 2.5, timeout: 10s}\n", none)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Routing; r.BaseURL != "http://127.0.0.1:9/v1" || string(r.APIKey) != "HIDDENKEY" || r.Integrator != "my-shop" ||
		!slices.Equal(r.Bridges, []string{"stargateV2"}) || r.Slippage != 5 || r.MaxCost != 250 || time.Duration(r.Timeout) != 10*time.Second {
		t.Errorf("as set: %+v", r)
	}
	printed := func(c *config.Config) string {
		var out strings.Builder
		if err := c.Print(&out, none); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	got := printed(c)
	for _, line := range []string{
		"routing.enabled: true\n", "routing.api_key: [secret]\n", "routing.base_url: http://127.0.0.1:9/v1\n", "routing.integrator: my-shop\n",
		"routing.bridges: [stargateV2]\n", "routing.slippage: 0.05\n", "routing.max_cost: 2.5\n", "routing.timeout: 10s\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing from:\n%s", line, got)
		}
	}
	if strings.Contains(got, "HIDDEN") {
		t.Errorf("the key is printed:\n%s", got)
	}
	if c, err = load(t, good+"routing: {enabled: false}\n", none); err != nil || c.Routing.On() {
		t.Fatalf("switched off: %+v, %v", c.Routing, err)
	}
	if got := printed(c); !strings.Contains(got, "routing.enabled: false\n") || strings.Contains(got, "routing.base_url") {
		t.Errorf("switched off, it prints:\n%s", got)
	}
}

func TestRoutingRefuses(t *testing.T) {
	for text, field := range map[string]string{
		"base_url: \"http://router.example/v1\"":        "routing.base_url",
		"base_url: \"https://u:HIDDEN@router.example\"": "routing.base_url",
		"base_url: \"https://router.example/?HIDDEN\"":  "routing.base_url",
		"base_url: \"HIDDEN\"":                          "routing.base_url",
		"api_key: \"HIDDEN KEY\"":                       "routing.api_key",
		"api_key: \"HIDDEN\\n\"":                        "routing.api_key",
		"integrator: \"my shop\"":                       "routing.integrator",
		"bridges: [across, relay]":                      "routing.bridges[1]",
		"bridges: [across, across]":                     "routing.bridges[1]",
		"slippage: 5.01":                                "routing.slippage",
		"max_cost: 21":                                  "routing.max_cost",
		"timeout: 61s":                                  "routing.timeout",
		"timeout: 10ms":                                 "routing.timeout",
		"timeout: -1s":                                  "routing.timeout",
	} {
		_, err := load(t, good+"routing: {"+text+"}\n", none)
		if err == nil || !strings.Contains(err.Error(), field+": ") || strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%q: got %v, want something about %s", text, err, field)
		}
	}
	for _, text := range []string{"0", "0.00", "-1", "+1", "1e1", "0.005", "1.", ".5", "\"1,5\"", "half", "\"\"", "0.5 %", "9999", "[1]"} {
		if _, err := load(t, good+"routing: {slippage: "+text+"}\n", none); err == nil {
			t.Errorf("slippage %s was taken", text)
		}
	}
}

func TestRoutingFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"QUITTANCE_ROUTING_ENABLED": "true", "QUITTANCE_ROUTING_BASE_URL": "https://router.example", "QUITTANCE_ROUTING_API_KEY": "fromenv",
		"QUITTANCE_ROUTING_INTEGRATOR": "me", "QUITTANCE_ROUTING_BRIDGES": "stargateV2, across", "QUITTANCE_ROUTING_SLIPPAGE": "1",
		"QUITTANCE_ROUTING_MAX_COST": "3.25", "QUITTANCE_ROUTING_TIMEOUT": "5s",
	}
	getenv := func(name string) string { return env[name] }
	c, err := load(t, good+"routing: {enabled: false, api_key: fromfile, slippage: 2}\n", getenv)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Routing; !r.On() || r.BaseURL != "https://router.example" || string(r.APIKey) != "fromenv" || r.Integrator != "me" ||
		!slices.Equal(r.Bridges, []string{"stargateV2", "across"}) || r.Slippage != 100 || r.MaxCost != 325 || time.Duration(r.Timeout) != 5*time.Second {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	if err := c.Print(&out, getenv); err != nil || !strings.Contains(out.String(), "routing.api_key: [secret]  (environment)") || strings.Contains(out.String(), "fromenv") {
		t.Errorf("printed: %s, %v", out.String(), err)
	}
	env["QUITTANCE_ROUTING_ENABLED"] = "false"
	if c, err := load(t, good, getenv); err != nil || c.Routing.On() {
		t.Errorf("switched off: %+v, %v", c.Routing, err)
	}
	for name, value := range map[string]string{"ENABLED": "yes", "SLIPPAGE": "much", "MAX_COST": "-1", "TIMEOUT": "soon"} {
		wrong := map[string]string{"QUITTANCE_ROUTING_" + name: value}
		if _, err := load(t, good, func(n string) string { return wrong[n] }); err == nil || !strings.Contains(err.Error(), "QUITTANCE_ROUTING_"+name+": ") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
