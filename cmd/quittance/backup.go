package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/store/carry"
)

func backupCommand(o *options) *cobra.Command {
	var from string
	var verify bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything of the database into a file, beside a running server",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if verify {
				s, err := carry.Verify(c.Context(), args[0])
				return o.summary(c, s, err, "is whole")
			}
			cfg, box, err := o.keys()
			if err != nil {
				return err
			}
			if from == "" {
				from = string(cfg.Database)
			}
			s, err := carry.Backup{From: server(from), File: args[0], Box: box, Told: o.told(c)}.Run(c.Context())
			return o.summary(c, s, err, "is complete")
		},
	}
	c.Flags().StringVar(&from, "database", "", "what to back up (default: the configured database)")
	c.Flags().BoolVar(&verify, "verify", false, "write nothing: read a backup whole and say what it holds")
	return c
}

func (o *options) summary(c *cobra.Command, s carry.Summary, err error, verdict string) error {
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return o.print(c.OutOrStdout(), s, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "TABLE\tROWS\tSHA-256")
		for _, x := range s.Tables {
			_, _ = fmt.Fprintf(t, "%s\t%d\t%s\n", x.Table, x.Rows, short(x.SHA256))
		}
		_ = t.Flush()
		if s.Unopened != "" {
			_, _ = fmt.Fprintf(w, "warning: %s\n", s.Unopened)
		}
		_, _ = fmt.Fprintf(w, "%s %s: %d rows, %d bytes, of %s at %s, schema %s\n", s.File, verdict, s.Rows, s.Bytes, s.Engine, s.MadeAt.Format(time.RFC3339), s.Schema)
	})
}

// skipped is how many deposit addresses of each key a restore takes for given out since
// the backup. There are two billions of them.
const skipped = 100_000

func restoreCommand(o *options) *cobra.Command {
	var to string
	var exact, unopened bool
	var skip int64
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty database, of either engine",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if exact && c.Flags().Changed("skip-addresses") {
				return errors.New("--exact skips no addresses: give one of the two")
			}
			cfg, box, err := o.keys()
			if err != nil {
				return err
			}
			if to == "" {
				to = string(cfg.Database)
			}
			if unopened {
				box = nil
			}
			r, err := carry.Restore{File: args[0], To: server(to), Box: box, Exact: exact, Skip: skip, Told: o.told(c)}.Run(c.Context())
			if err != nil {
				return fmt.Errorf("restore: %w", errors.Join(err, o.differing(c, r.Report)))
			}
			return o.print(c.OutOrStdout(), r, func(w io.Writer) { restored(w, r) })
		},
	}
	c.Flags().StringVar(&to, "database", "", "an empty database (default: the configured one)")
	c.Flags().BoolVar(&exact, "exact", false, "nothing was written after the backup: leave everything as it was")
	c.Flags().Int64Var(&skip, "skip-addresses", skipped, "how many deposit addresses of each key may have been given out after the backup")
	c.Flags().BoolVar(&unopened, "keep-unopened", false, "restore even if the configured keys do not open all sealed secrets")
	return c
}

func restored(w io.Writer, r carry.Restored) {
	report(w, r.Report)
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(w, "key %s: addresses %d to %d may have been given out after the backup; %d is next\n", s.Branch, s.First, s.Next-1, s.Next)
	}
	_, _ = fmt.Fprintf(w, "restored %d rows of %s\n", r.Rows, r.Backup.MadeAt.Format(time.RFC3339))
}
