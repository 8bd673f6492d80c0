package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/config"
	"quittance/internal/seal"
	"quittance/internal/store/carry"
)

func migrateCommand(o *options) *cobra.Command {
	var from, to string
	var check bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date, or move a shop from SQLite to PostgreSQL",
		Long: `Without flags, bring the schema of the configured database up to date.

With --to, move everything from a SQLite database to an empty PostgreSQL database, while
the server runs: it shows its pages and refuses changes for as long as that takes. Both
are read back and compared. Then the SQLite database is closed for good.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				if from != "" || check {
					return errors.New("--from and --check need --to")
				}
				return o.admin(c, func(*app.Admin) error {
					return o.print(c.OutOrStdout(), map[string]bool{"current": true}, func(w io.Writer) { _, _ = fmt.Fprintln(w, "the schema is current") })
				})
			}
			cfg, box, err := o.keys()
			if err != nil {
				return err
			}
			if from == "" || from == "sqlite" {
				from = string(cfg.Database)
			}
			if check {
				return o.compare(c, from, server(to))
			}
			return o.move(c, carry.Move{From: from, To: server(to), Box: box, Told: o.told(c)})
		},
	}
	c.Flags().StringVar(&from, "from", "", "the database to move, sqlite:PATH (default: the configured one)")
	c.Flags().StringVar(&to, "to", "", "an empty database, postgres://...; just postgres for what PGHOST, PGUSER, PGPASSWORD and PGDATABASE say")
	c.Flags().BoolVar(&check, "check", false, "only compare the two")
	return c
}

// server is a database as a flag names it.
func server(flag string) string {
	if flag == "postgres" {
		return "postgres://"
	}
	return flag
}

// keys reads the configuration and its keys; it opens no database.
func (o *options) keys() (*config.Config, *seal.Box, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, nil, err
	}
	box, err := app.Box(cfg)
	return cfg, box, err
}

// told shows on standard error how far a copy is.
func (o *options) told(c *cobra.Command) func(string, int64) {
	if o.json {
		return nil
	}
	return func(table string, rows int64) {
		if rows > 0 {
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "%s: %d rows\n", table, rows)
		}
	}
}

func (o *options) move(c *cobra.Command, m carry.Move) error {
	began := time.Now()
	r, err := m.Run(c.Context())
	if err != nil {
		return fmt.Errorf("move: %w", errors.Join(err, o.differing(c, r)))
	}
	return o.print(c.OutOrStdout(), r, func(w io.Writer) {
		report(w, r)
		_, _ = fmt.Fprintf(w, "moved %d rows in %s; %s is closed for good.\nPut the new database into the configuration and start the server again.\n",
			r.Rows, time.Since(began).Round(100*time.Millisecond), m.From)
	})
}

func (o *options) compare(c *cobra.Command, from, to string) error {
	r, err := carry.Compare(c.Context(), from, to, o.told(c))
	if err != nil {
		return fmt.Errorf("compare: %w", errors.Join(err, o.differing(c, r)))
	}
	return o.print(c.OutOrStdout(), r, func(w io.Writer) {
		report(w, r)
		_, _ = fmt.Fprintf(w, "the same %d rows in both\n", r.Rows)
	})
}

// differing prints a report that came with an error, if one did.
func (o *options) differing(c *cobra.Command, r carry.Report) error {
	if len(r.Tables) == 0 || r.Same {
		return nil
	}
	return o.print(c.OutOrStdout(), r, func(w io.Writer) { report(w, r) })
}

// report prints what two sides hold, table by table.
func report(w io.Writer, r carry.Report) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TABLE\tROWS\tSHA-256\t")
	for _, p := range r.Tables {
		verdict := "same"
		if !p.Same {
			verdict = fmt.Sprintf("DIFFERS: %d rows, %s", p.To.Rows, short(p.To.SHA256))
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", p.Table, p.From.Rows, short(p.From.SHA256), verdict)
	}
	_ = t.Flush()
}

// short is enough of a checksum for people; --json has all of it.
func short(sum string) string { return strings.ToLower(sum[:min(16, len(sum))]) }
