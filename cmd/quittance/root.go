package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/config"
)

// errSaid is returned when the command has already told what is wrong.
var errSaid = errors.New("already reported")

// options are what every subcommand shares.
type options struct {
	config string
	json   bool
}

func root() *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use:           "quittance",
		Short:         "A self-hosted, non-custodial checkout for on-chain payments",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	c.PersistentFlags().StringVar(&o.config, "config", os.Getenv("QUITTANCE_CONFIG"), "configuration file (YAML); settings can also come from QUITTANCE_* variables")
	c.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	c.AddCommand(demoCommand(o), serveCommand(o), doctorCommand(o), migrateCommand(o), backupCommand(o), restoreCommand(o), merchantCommand(o), apikeyCommand(o), depositsCommand(o), sweepCommand(o),
		clientidCommand(o), destinationCommand(o), webhookCommand(o), paymentCommand(o), linksCommand(o), bankCommand(o), orphanCommand(o), keygenCommand(o), configCommand(o), healthcheckCommand())
	return c
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}

func (o *options) load() (*config.Config, error) {
	cfg, err := config.Load(o.config, os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return cfg, nil
}

// admin opens the configured database and hands it to do.
func (o *options) admin(c *cobra.Command, do func(a *app.Admin) error) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	a, err := app.OpenAdmin(c.Context(), cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.Close())
}

// print writes v as JSON, or lets text write it for people.
func (o *options) print(w io.Writer, v any, text func(w io.Writer)) error {
	if !o.json {
		text(w)
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

func logger(level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
