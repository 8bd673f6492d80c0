package config_test

import (
	"strings"
	"testing"
)

func TestRates(t *testing.T) {
	base := "base_url: https://x.example\nkeys: [" + key + "]\n"
	c, err := load(t, base, none)
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Limits; l.ClientIDs.String() != "300/20" || l.APIKeys.String() != "12000/400" || l.Sessions.String() != "300/20" ||
		l.Page.String() != "300/60" || l.Refused.String() != "60/30" || l.Links.String() != "60/60" || l.Guesses.String() != "30/30" || c.Accounts.OpenSignup {
		t.Errorf("defaults: %+v, %+v", l, c.Accounts)
	}
	c, err = load(t, base+"accounts: {open_signup: true}\nlimits: {client_ids: 600/40, page: 0, api_keys: \"1/1\"}\n", func(name string) string {
		return map[string]string{"QUITTANCE_LIMITS_API_KEYS": "2/3", "QUITTANCE_LIMITS_REFUSED": "0"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Limits; l.ClientIDs.PerMinute != 600 || l.ClientIDs.Burst != 40 || l.Page.PerMinute != 0 || l.APIKeys.String() != "2/3" ||
		l.Refused.String() != "0" || l.Sessions.String() != "300/20" || !c.Accounts.OpenSignup {
		t.Errorf("got %+v, %+v", l, c.Accounts)
	}
	var b strings.Builder
	if err := c.Print(&b, func(name string) string {
		return map[string]string{"QUITTANCE_LIMITS_API_KEYS": "2/3"}[name]
	}); err != nil || !strings.Contains(b.String(), "limits.api_keys: 2/3  (environment)\n") || !strings.Contains(b.String(), "limits.page: 0\n") {
		t.Errorf("printed %v: %s", err, b.String())
	}
	for _, text := range []string{"fast", "300", "300/", "/20", "-1/20", "300/0", "0/20", "300/20/1", "6000001/1", "1/1000001", "1e3/4", "[1, 2]"} {
		if _, err := load(t, base+"limits: {page: "+text+"}\n", none); err == nil {
			t.Errorf("%s is a rate", text)
		}
	}
	if _, err := load(t, base, func(name string) string {
		return map[string]string{"QUITTANCE_LIMITS_PAGE": "much"}[name]
	}); err == nil || !strings.Contains(err.Error(), "QUITTANCE_LIMITS_PAGE") {
		t.Errorf("a wrong variable: %v", err)
	}
}
