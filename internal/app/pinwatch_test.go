package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
)

// A service that is not reached is asked again after growing pauses, one that was
// compared an hour later; wrong contracts are an alarm each time, and what was
// right stays right until something else is known.
func TestPinWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no route to host")
		wrong := errors.Join(fmt.Errorf("also this: %w", &lifi.PinError{Chain: asset.Base, Contract: "diamondAddress"}))
		answers := []error{down, down, down, nil, wrong, down, down, nil, nil}
		for range 12 {
			answers = append(answers, down)
		}
		var told []error
		var at []time.Duration
		var log bytes.Buffer
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		w := pinWatch{
			check: func(context.Context) error {
				at = append(at, time.Since(start))
				if len(at) > len(answers) {
					cancel()
					return context.Canceled
				}
				return answers[len(at)-1]
			},
			tell: func(err error) { told = append(told, err) },
			log:  slog.New(slog.NewTextHandler(&log, nil)),
		}
		if err := w.run(ctx); err != nil {
			t.Errorf("ended with %v", err)
		}
		var pauses []time.Duration
		for i := range at[1:] {
			pauses = append(pauses, at[i+1]-at[i])
		}
		want := []time.Duration{
			5 * time.Second, 10 * time.Second, 20 * time.Second, // down
			pinsEvery, pinsEvery, // right, wrong
			5 * time.Second, 10 * time.Second, // down again
			pinsEvery, pinsEvery,
			5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second,
			600 * time.Second, 600 * time.Second, 600 * time.Second, 600 * time.Second, 600 * time.Second,
		}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		if !slices.Equal(told, answers) {
			t.Errorf("told %v, want %v", told, answers)
		}
		for text, n := range map[string]int{"level=ERROR msg=\"ALARM: ": 1, "level=INFO": 2, "level=WARN": 17} {
			if got := strings.Count(log.String(), text); got != n {
				t.Errorf("%q stands %d times in the log, want %d\n%s", text, got, n, log.String())
			}
		}
	})
}
