package config_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

func TestData(t *testing.T) {
	const day = config.Age(24 * time.Hour)
	for text, want := range map[string]config.Data{
		"": {90 * day, 400 * day},
		"data: {archive_after: never, keep_messages: never}\n": {config.Never, config.Never},
		"data: {archive_after: 48h, keep_messages: 720h}\n":    {2 * day, 30 * day},
	} {
		if c, err := load(t, good+text, none); err != nil || c.Data != want {
			t.Errorf("%q is %v, %v", text, c, err)
		}
	}
	for text, complaint := range map[string]string{
		"data: {archive_after: 23h}\n":  "data.archive_after",
		"data: {archive_after: -1h}\n":  "data.archive_after",
		"data: {keep_messages: 24h}\n":  "data.keep_messages",
		"data: {keep_messages: ever}\n": "or never",
		"data: {keep_message: 720h}\n":  "keep_message",
	} {
		if _, err := load(t, good+text, none); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: %v", text, err)
		}
	}
	env := func(name string) string {
		return map[string]string{"QUITTANCE_DATA_ARCHIVE_AFTER": "never", "QUITTANCE_DATA_KEEP_MESSAGES": "800h"}[name]
	}
	c, err := load(t, good, env)
	if err != nil || c.Data.ArchiveAfter != config.Never || c.Data.KeepMessages != config.Age(800*time.Hour) {
		t.Fatalf("%v, %v", c, err)
	}
	if lines := printed(t, c, none); !strings.Contains(lines, "data.archive_after: never\n") || !strings.Contains(lines, "data.keep_messages: 800h0m0s\n") {
		t.Errorf("printed as %s", lines)
	}
}
