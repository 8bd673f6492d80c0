package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

func printed(t *testing.T, c *config.Config, getenv func(string) string) string {
	t.Helper()
	var out strings.Builder
	if err := c.Print(&out, getenv); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Safes may pay without a word of configuration, and nobody outside is asked,
// nor may anybody frame the page, unless the operator says so.
func TestSafe(t *testing.T) {
	c, err := load(t, good, none)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Safe; !s.On() || s.Service.Enabled || s.Service.V1 || s.Service.APIKey != "" || len(s.Service.BaseURLs) != 0 || len(s.FrameAncestors) != 0 ||
		time.Duration(s.Service.Timeout) != 5*time.Second {
		t.Errorf("by default: %+v", s)
	}
	if got := printed(t, c, none); !strings.Contains(got, "safe.enabled: true\n") || !strings.Contains(got, "safe.service.enabled: false\n") || strings.Contains(got, "safe.service.timeout") {
		t.Errorf("by default:\n%s", got)
	}
	c, err = load(t, good+`safe:
  frame_ancestors: ["https://app.safe.global", "http://127.0.0.1:9", "http://localhost:3000"]
  service: {enabled: true, api_key: HIDDENKEY, v1: true, timeout: 2s, base_urls: {base: "https://safes.example/api", arbitrum-one: "http://127.0.0.1:8/api"}}
`, none)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Safe; !s.On() || !s.Service.Enabled || !s.Service.V1 || string(s.Service.APIKey) != "HIDDENKEY" || time.Duration(s.Service.Timeout) != 2*time.Second ||
		s.Service.BaseURLs["base"] != "https://safes.example/api" || len(s.Service.BaseURLs) != 2 || len(s.FrameAncestors) != 3 {
		t.Errorf("as set: %+v", s)
	}
	got := printed(t, c, none)
	for _, line := range []string{
		"safe.frame_ancestors: [https://app.safe.global http://127.0.0.1:9 http://localhost:3000]\n", "safe.service.enabled: true\n", "safe.service.api_key: [secret]\n",
		"safe.service.v1: true\n", "safe.service.timeout: 2s\n", "safe.service.base_urls.base: https://safes.example/api\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing from:\n%s", line, got)
		}
	}
	if strings.Contains(got, "HIDDEN") {
		t.Errorf("the key is printed:\n%s", got)
	}
	if c, err = load(t, good+"safe: {service: {enabled: true}}\n", none); err != nil || !strings.Contains(printed(t, c, none), "safe.service.base_urls: Safe's own\n") {
		t.Errorf("Safe's own service: %v", err)
	}
	if c, err = load(t, good+"safe: {enabled: false, service: {enabled: true}}\n", none); err != nil || c.Safe.On() || strings.Contains(printed(t, c, none), "safe.service") {
		t.Errorf("switched off: %+v, %v", c, err)
	}
}

func TestSafeRefuses(t *testing.T) {
	for text, field := range map[string]string{
		`frame_ancestors: ["http://app.safe.global"]`:                 "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://app.safe.global/"]`:               "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://a.example", "*"]`:                 "safe.frame_ancestors[1]",
		`frame_ancestors: ["https://*"]`:                              "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://*.safe.global"]`:                  "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://a.example;script-src"]`:           "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://a.example, https://b.example"]`:   "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://u:p@a.example"]`:                  "safe.frame_ancestors[0]",
		`frame_ancestors: ["app.safe.global"]`:                        "safe.frame_ancestors[0]",
		`frame_ancestors: ["null"]`:                                   "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://"]`:                               "safe.frame_ancestors[0]",
		`frame_ancestors: ["https://:8443"]`:                          "safe.frame_ancestors[0]",
		`service: {base_urls: {base: "http://safes.example"}}`:        "safe.service.base_urls.base",
		`service: {base_urls: {base: "https://u:HIDDEN@s.example"}}`:  "safe.service.base_urls.base",
		`service: {base_urls: {base: "https://s.example/?k=HIDDEN"}}`: "safe.service.base_urls.base",
		`service: {base_urls: {tron: "https://s.example"}}`:           "safe.service.base_urls.tron",
		`service: {api_key: "HIDDEN KEY"}`:                            "safe.service.api_key",
		`service: {timeout: 11s}`:                                     "safe.service.timeout",
		`service: {timeout: 10ms}`:                                    "safe.service.timeout",
		`service: {timeout: -1s}`:                                     "safe.service.timeout",
	} {
		_, err := load(t, good+"safe: {"+text+"}\n", none)
		if err == nil || !strings.Contains(err.Error(), field+": ") || strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%q: got %v, want something about %s", text, err, field)
		}
	}
}

func TestSafeFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"QUITTANCE_SAFE_ENABLED": "true", "QUITTANCE_SAFE_FRAME_ANCESTORS": "https://app.safe.global, https://safe.example", "QUITTANCE_SAFE_SERVICE_ENABLED": "true",
		"QUITTANCE_SAFE_SERVICE_API_KEY": "fromenv", "QUITTANCE_SAFE_SERVICE_V1": "true", "QUITTANCE_SAFE_SERVICE_TIMEOUT": "3s",
		"QUITTANCE_SAFE_SERVICE_BASE_URLS_ARBITRUM_ONE": "https://safes.example/arb",
	}
	getenv := func(name string) string { return env[name] }
	c, err := load(t, good+"safe: {enabled: false, service: {api_key: fromfile}}\n", getenv)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Safe; !s.On() || !slices.Equal(s.FrameAncestors, []string{"https://app.safe.global", "https://safe.example"}) || !s.Service.Enabled || !s.Service.V1 ||
		string(s.Service.APIKey) != "fromenv" || time.Duration(s.Service.Timeout) != 3*time.Second || s.Service.BaseURLs["arbitrum-one"] != "https://safes.example/arb" {
		t.Errorf("%+v", s)
	}
	got := printed(t, c, getenv)
	for _, line := range []string{"safe.service.api_key: [secret]  (environment)\n", "safe.service.base_urls.arbitrum-one: https://safes.example/arb  (environment)\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing from:\n%s", line, got)
		}
	}
	if c, err = load(t, good+"safe: {enabled: false}\n", none); err != nil || c.Safe.On() {
		t.Errorf("left alone: %+v, %v", c, err)
	}
	env = map[string]string{"QUITTANCE_SAFE_ENABLED": "false"}
	if c, err = load(t, good, getenv); err != nil || c.Safe.On() {
		t.Errorf("switched off: %+v, %v", c, err)
	}
	for name, value := range map[string]string{"ENABLED": "yes", "SERVICE_ENABLED": "1", "SERVICE_V1": "no", "SERVICE_TIMEOUT": "soon"} {
		env = map[string]string{"QUITTANCE_SAFE_" + name: value}
		if _, err := load(t, good, getenv); err == nil || !strings.Contains(err.Error(), "QUITTANCE_SAFE_"+name+": ") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
