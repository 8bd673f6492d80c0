//go:build nosandbox

package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// DemoConfig is what `quittance demo` can be told.
type DemoConfig struct {
	Listen     string
	DataDir    string
	WebhookURL string
	Account    string
	// DepositLife is how long payments in dollars may be paid.
	DepositLife time.Duration
	JSON        bool
	Out         io.Writer
	Log         *slog.Logger
}

// Demo is not part of production builds.
func Demo(context.Context, DemoConfig) error {
	return errors.New("this build has no sandbox; build without the tag nosandbox to run the demo")
}
