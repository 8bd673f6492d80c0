package config_test

import (
	"strings"
	"testing"
)

func TestScreening(t *testing.T) {
	good := "base_url: https://x.example\nkeys: [" + key + "]\n"
	acme := "acme: {url: \"https://a.example/s?k=HIDDEN\", key: HIDDENKEY}"
	c, err := load(t, good+"screening: {sanctions_list: /etc/list, default: acme, providers: {"+acme+", other: {url: \"http://127.0.0.1:9/\", key: k, timeout: 2s}}}\n", none)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Screening.ProviderNames(); len(got) != 2 || got[0] != "acme" || c.Screening.Default != "acme" || c.Screening.SanctionsList != "/etc/list" {
		t.Errorf("%+v", c.Screening)
	}
	var out strings.Builder
	if err := c.Print(&out, none); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "HIDDEN") || !strings.Contains(out.String(), "screening.providers: [acme other]") {
		t.Errorf("printed: %s", out.String())
	}
	for text, field := range map[string]string{
		"providers: {Acme: {url: \"https://a\", key: k}}":                    "screening.providers.Acme",
		"providers: {sanctions_list: {url: \"https://a\", key: k}}":          "screening.providers.sanctions_list",
		"providers: {a: {url: \"http://a.example\", key: k}}":                "screening.providers.a.url",
		"providers: {a: {url: \"HIDDEN\", key: k}}":                          "screening.providers.a.url",
		"providers: {a: {url: \"https://a\"}}":                               "screening.providers.a.key",
		"providers: {a: {url: \"https://a\", key: \"HIDDEN KEY\"}}":          "screening.providers.a.key",
		"providers: {a: {url: \"https://a\", key: k, timeout: 5s}}":          "screening.providers.a.timeout",
		"default: sanctions_list":                                            "screening.default",
		"default: other, providers: {" + acme + "}":                          "screening.default",
		"providers: {" + acme + ", b: {url: \"https://b.example\", key: k}}": "screening.default",
	} {
		_, err := load(t, good+"screening: {"+text+"}\n", none)
		if err == nil || !strings.Contains(err.Error(), field+": ") || strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%q: got %v, want something about %s", text, err, field)
		}
	}
}

func TestScreeningFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"QUITTANCE_SCREENING_SANCTIONS_LIST": "/list", "QUITTANCE_SCREENING_DEFAULT": "my-acme", "QUITTANCE_SCREENING_MY_ACME_KEY": "fromenv",
	}
	c, err := load(t, "base_url: https://x.example\nkeys: ["+key+"]\nscreening: {providers: {my-acme: {url: \"https://a.example\"}}}\n",
		func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Screening.Providers["my-acme"]; string(p.Key) != "fromenv" || string(p.URL) != "https://a.example" || c.Screening.SanctionsList != "/list" {
		t.Errorf("%+v", c.Screening)
	}
}
