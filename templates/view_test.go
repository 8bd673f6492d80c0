package templates_test

import (
	"testing"
	"time"

	"quittance/templates"
)

func TestNewSafetySumsUp(t *testing.T) {
	const passed, refused, pending = templates.OutcomePassed, templates.OutcomeRefused, templates.OutcomePending
	for _, row := range []struct {
		name     string
		outcomes []string
		want     string
	}{
		{"nothing was checked", nil, pending},
		{"all passed", []string{passed, passed}, passed},
		{"one is not done", []string{passed, pending}, pending},
		{"one refuses", []string{passed, refused, passed}, refused},
		{"a refusal weighs more than what is not done", []string{pending, refused, pending}, refused},
		{"an outcome nobody knows is not passed", []string{passed, "fine"}, pending},
	} {
		var checks []templates.Check
		for _, o := range row.outcomes {
			checks = append(checks, templates.Check{Name: "contract_official", Outcome: o})
		}
		got := templates.NewSafety(checks)
		if got.Outcome != row.want {
			t.Errorf("%s: %s, want %s", row.name, got.Outcome, row.want)
		}
		if safe := got.Title == templates.SafetyPassedTitle; safe != (row.want == passed) {
			t.Errorf("%s: says %q", row.name, got.Title)
		}
	}
}

func TestAtSpeaksUTC(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*60*60)
	got := templates.At(time.Date(2026, 3, 1, 0, 30, 59, 123, zone))
	want := templates.Moment{Machine: "2026-02-28T22:30:59Z", Text: "28 February 2026 at 22:30 UTC", Clock: "22:30 UTC"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := templates.At(time.Time{}); got != (templates.Moment{}) {
		t.Errorf("the zero time is %+v", got)
	}
}

func TestMomentsHaveTheirDayWhereItIsNotToday(t *testing.T) {
	m := templates.At(time.Date(2026, 2, 28, 22, 30, 0, 0, time.UTC))
	for now, want := range map[string]string{
		"2026-02-28T22:15:00Z": "22:30 UTC",
		"2026-02-27T23:59:59Z": "28 February 2026 at 22:30 UTC",
		"":                     "28 February 2026 at 22:30 UTC",
	} {
		if got := m.Seen(now); got != want {
			t.Errorf("at %q it is %q, want %q", now, got, want)
		}
	}
}
