//go:build !nosandbox

package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// The demo has no admin listener: its numbers are told beside its pages, and nothing else of
// what operators ask is.
func TestTheDemoTellsItsNumbers(t *testing.T) {
	d := startDemo(t, "")
	answer, text := d.see(d.BaseURL+"/metrics", "")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	for _, name := range []string{"quittance_payments_created_total", "quittance_scanner_head_block", "quittance_database_up 1", "go_goroutines"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is not told", name)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/log-level"} {
		if status := d.page(d.BaseURL + path); status != http.StatusNotFound {
			t.Errorf("%s is answered with %d", path, status)
		}
	}
}
