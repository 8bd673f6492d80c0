package config_test

import (
	"strings"
	"testing"

	"quittance/internal/config"
)

func TestPages(t *testing.T) {
	for text, want := range map[string]config.Pages{
		"":                     {Open: 20_000, OpenPerAddress: 1000},
		"pages: {open: 500}\n": {Open: 500, OpenPerAddress: 500},
		"pages: {open: 50000, open_per_address: 7}\n": {Open: 50_000, OpenPerAddress: 7},
	} {
		if c, err := load(t, good+text, none); err != nil || c.Pages != want {
			t.Errorf("%q is %v, %v", text, c, err)
		}
	}
	for text, complaint := range map[string]string{
		"pages: {open: -1}\n":             "pages.open:",
		"pages: {open: 1000001}\n":        "pages.open:",
		"pages: {open_per_address: -3}\n": "pages.open_per_address:",
		"pages: {opened: 3}\n":            "opened",
	} {
		if _, err := load(t, good+text, none); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: %v", text, err)
		}
	}
	env := func(values map[string]string) func(string) string {
		return func(name string) string { return values[name] }
	}
	c, err := load(t, good, env(map[string]string{"QUITTANCE_PAGES_OPEN": "3000", "QUITTANCE_PAGES_OPEN_PER_ADDRESS": "30"}))
	if err != nil || c.Pages != (config.Pages{Open: 3000, OpenPerAddress: 30}) {
		t.Fatalf("%v, %v", c, err)
	}
	if lines := printed(t, c, none); !strings.Contains(lines, "pages.open: 3000\n") || !strings.Contains(lines, "pages.open_per_address: 30\n") {
		t.Errorf("printed as %s", lines)
	}
	if _, err := load(t, good, env(map[string]string{"QUITTANCE_PAGES_OPEN": "many"})); err == nil || !strings.Contains(err.Error(), "QUITTANCE_PAGES_OPEN") {
		t.Errorf("not a number: %v", err)
	}
}
