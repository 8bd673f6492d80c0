package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/config"
	"quittance/internal/gasless"
)

func demoCommand(o *options) *cobra.Command {
	d := app.DemoConfig{}
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product on sandbox chains, with nothing to set up",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelWarn
			if verbose {
				level = slog.LevelDebug
			}
			d.JSON, d.Out, d.Log = o.json, c.OutOrStdout(), logger(level)
			return app.Demo(c.Context(), d)
		},
	}
	c.Flags().StringVar(&d.Listen, "listen", "127.0.0.1:8402", "address to answer on; port 0 picks a free one")
	c.Flags().StringVar(&d.DataDir, "data", "", "directory to keep chains and payments in, if the demo is stopped in order (default: nothing is kept)")
	c.Flags().StringVar(&d.WebhookURL, "webhook-url", "", "also send the demo merchant's webhooks here; this machine is allowed")
	c.Flags().StringVar(&d.Account, "account", gasless.Accounts[0], "kind of smart account that pays without gas: "+strings.Join(gasless.Accounts, " or "))
	c.Flags().DurationVar(&d.DepositLife, "deposit-life", 0, "how long payments in dollars may be paid, like 60m (default: the dialect's)")
	c.Flags().BoolVar(&verbose, "verbose", false, "log what happens")
	return c
}

func serveCommand(o *options) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the production server",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if listen != "" {
				cfg.Listen = listen
			}
			level, err := cfg.Level()
			if err != nil {
				return fmt.Errorf("configuration: log_level: %w", err)
			}
			var from slog.LevelVar
			from.Set(level)
			return app.Serve(c.Context(), cfg, logger(&from), &from)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address to answer on, instead of the configured one")
	return c
}

func doctorCommand(o *options) *cobra.Command {
	var pin bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration against the world: endpoints, contracts, database, clock, webhooks",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if pin {
				if o.config == "" {
					return fmt.Errorf("--pin writes beside the configuration file: give one with --config")
				}
				return app.Pin(c.Context(), cfg, config.PinsPath(o.config), c.OutOrStdout())
			}
			err = app.Doctor(c.Context(), cfg, func(f app.Finding) {
				_ = o.print(c.OutOrStdout(), f, func(w io.Writer) {
					mark := "ok  "
					if !f.OK {
						mark = "FAIL"
					}
					_, _ = fmt.Fprintf(w, "%s  %s: %s\n", mark, f.Check, strings.ReplaceAll(f.Detail, "\n", "; "))
				})
			})
			if err != nil {
				return errSaid
			}
			return nil
		},
	}
	c.Flags().BoolVar(&pin, "pin", false, "read the official contracts' code over two endpoints each and pin its hash")
	return c
}

func configCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration as it is understood, without secrets",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			return cfg.Print(c.OutOrStdout(), os.Getenv)
		},
	}
}

func healthcheckCommand() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 if a server on this machine answers (for container health checks)",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := &http.Client{Timeout: 3 * time.Second}
			r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, url, nil)
			if err != nil {
				return fmt.Errorf("make request: %w", err)
			}
			answer, err := client.Do(r)
			if err != nil {
				return fmt.Errorf("the server does not answer: %w", err)
			}
			defer func() { _ = answer.Body.Close() }()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("the server is not well: status %d", answer.StatusCode)
			}
			return nil
		},
	}
	c.Flags().StringVar(&url, "url", healthURL(os.Getenv("QUITTANCE_LISTEN")), "address of the check; /readyz says whether every chain has been read")
	return c
}

// healthURL is where a server that listens on addr tells that it lives. Not that
// it is ready: one that still reads a chain must not be restarted for it.
func healthURL(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		port = "8402"
	}
	return "http://127.0.0.1:" + port + "/healthz"
}
