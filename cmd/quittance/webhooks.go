package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

func webhookCommand(o *options) *cobra.Command {
	return group("webhook", "Keep endpoints, list deliveries and send them again",
		webhookAdd(o), webhookEndpoints(o), webhookSwitch(o), webhookRotate(o), webhookList(o), webhookReplay(o))
}

func webhookAdd(o *options) *cobra.Command {
	var owner string
	add := &cobra.Command{
		Use: "add URL", Short: "Add an endpoint; its secret is shown once", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				e, err := a.AddEndpoint(c.Context(), payment.MerchantID(owner), args[0])
				if err != nil {
					return err
				}
				w := map[string]string{"id": e.ID, "url": e.URL, "secret": e.Secret}
				return o.print(c.OutOrStdout(), w, func(out io.Writer) { _, _ = fmt.Fprintf(out, "%s\n", e.Secret) })
			})
		},
	}
	merchantFlag(add, &owner)
	return add
}

type endpointWire struct {
	ID             string     `json:"id"`
	URL            string     `json:"url"`
	ClientID       string     `json:"clientId,omitempty"`
	Active         bool       `json:"active"`
	FailingSince   *time.Time `json:"failingSince,omitempty"`
	DisabledAt     *time.Time `json:"disabledAt,omitempty"`
	DisabledReason string     `json:"disabledReason,omitempty"`
}

func endpointOf(e merchant.Endpoint) endpointWire {
	w := endpointWire{ID: e.ID, URL: e.URL, ClientID: e.ClientID, Active: e.Active, DisabledReason: e.DisabledWhy}
	if !e.FailingSince.IsZero() {
		w.FailingSince = &e.FailingSince
	}
	if !e.DisabledAt.IsZero() {
		w.DisabledAt = &e.DisabledAt
	}
	return w
}

func (w endpointWire) tell(out io.Writer) {
	_, _ = fmt.Fprintf(out, "%s  active=%v  %s", w.ID, w.Active, w.URL)
	if w.ClientID != "" {
		_, _ = fmt.Fprintf(out, "  of %s", w.ClientID)
	}
	if w.FailingSince != nil {
		_, _ = fmt.Fprintf(out, "  failing since %s", w.FailingSince.Format(time.RFC3339))
	}
	if w.DisabledAt != nil {
		_, _ = fmt.Fprintf(out, "  switched off %s: %s", w.DisabledAt.Format(time.RFC3339), w.DisabledReason)
	}
	_, _ = fmt.Fprintln(out)
}

func webhookEndpoints(o *options) *cobra.Command {
	var owner string
	list := &cobra.Command{
		Use: "endpoints", Short: "List a merchant's endpoints, and how they do", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Webhooks.Endpoints(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, e := range all {
					w := endpointOf(e)
					if err := o.print(c.OutOrStdout(), w, w.tell); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	merchantFlag(list, &owner)
	return list
}

func webhookSwitch(o *options) *cobra.Command {
	var owner string
	toggle := &cobra.Command{
		Use: "switch ENDPOINT", Short: "Switch an endpoint on or off, whichever it is not", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				e, err := a.Webhooks.Endpoint(c.Context(), payment.MerchantID(owner), args[0])
				if err != nil {
					return err
				}
				if e, err = a.Webhooks.Toggle(c.Context(), e); err != nil {
					return err
				}
				w := endpointOf(e)
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	merchantFlag(toggle, &owner)
	return toggle
}

func webhookRotate(o *options) *cobra.Command {
	var owner string
	var overlap time.Duration
	rotate := &cobra.Command{
		Use: "rotate ENDPOINT", Short: "Give an endpoint another secret, which is shown once; the old one signs on for a while", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				e, err := a.Webhooks.Endpoint(c.Context(), payment.MerchantID(owner), args[0])
				if err != nil {
					return err
				}
				secret, until, err := a.Webhooks.Rotate(c.Context(), e, overlap)
				if err != nil {
					return err
				}
				w := map[string]any{"secret": secret}
				if !until.IsZero() {
					w["previousSecretExpiresAt"] = until
				}
				return o.print(c.OutOrStdout(), w, func(out io.Writer) { _, _ = fmt.Fprintf(out, "%s\n", secret) })
			})
		},
	}
	merchantFlag(rotate, &owner)
	rotate.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the old secret signs as well; 0 if it leaked")
	return rotate
}

type deliveryWire struct {
	ID        string    `json:"id"`
	Event     string    `json:"event"`
	Payment   string    `json:"payment"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	Status    int       `json:"status"`
	Error     string    `json:"error,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

func webhookList(o *options) *cobra.Command {
	var owner, pay, state, endpoint string
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List deliveries, newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Webhooks.List(c.Context(), webhook.Filter{
					Merchant: payment.MerchantID(owner), Endpoint: endpoint, Payment: payment.ID(pay), State: webhook.DeliveryState(state), Limit: limit,
				})
				if err != nil {
					return err
				}
				for _, d := range all {
					w := deliveryWire{
						ID: d.ID, Event: d.Event, Payment: string(d.Payment), State: string(d.State), Attempts: d.Attempts,
						Status: d.Last.Status, Error: d.Last.Error, CreatedAt: d.CreatedAt,
					}
					err := o.print(c.OutOrStdout(), w, func(out io.Writer) {
						_, _ = fmt.Fprintf(out, "%s  %s  %-26s %-9s attempts=%d status=%d %s\n", w.ID, w.CreatedAt.Format(time.RFC3339), w.Event, w.State, w.Attempts, w.Status, w.Error)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	list.Flags().StringVar(&owner, "merchant", "", "only this merchant's")
	list.Flags().StringVar(&endpoint, "endpoint", "", "only those to this endpoint")
	list.Flags().StringVar(&pay, "payment", "", "only this payment's")
	list.Flags().StringVar(&state, "state", "", "only queued, delivered or exhausted ones")
	list.Flags().IntVar(&limit, "limit", 50, "how many")
	return list
}

func webhookReplay(o *options) *cobra.Command {
	var endpoint, from, to string
	var failed bool
	replay := &cobra.Command{
		Use: "replay [ID...]", Short: "Send deliveries again, with the same id and body: some by their ids, or an endpoint's by time or because they failed",
		RunE: func(c *cobra.Command, args []string) error {
			ranged := from != "" || to != "" || failed
			switch {
			case len(args) > 0 && (endpoint != "" || ranged):
				return errors.New("name deliveries, or an endpoint and which of its deliveries, but not both")
			case len(args) == 0 && (endpoint == "" || !ranged):
				return errors.New("name deliveries, or an endpoint with --failed, --from or --to")
			}
			r := webhook.Range{Endpoint: endpoint, Failed: failed}
			var err error
			if r.From, err = when("from", from); err != nil {
				return err
			}
			if r.To, err = when("to", to); err != nil {
				return err
			}
			return o.admin(c, func(a *app.Admin) error {
				for _, id := range args {
					if err := a.Webhooks.Replay(c.Context(), id); err != nil {
						return fmt.Errorf("replay %s: %w", id, err)
					}
				}
				if len(args) > 0 {
					return nil
				}
				return replayRange(o, c, a, r)
			})
		},
	}
	replay.Flags().StringVar(&endpoint, "endpoint", "", "the endpoint whose deliveries are sent again")
	replay.Flags().StringVar(&from, "from", "", "those made from this time on, like 2026-01-02T15:04:05Z")
	replay.Flags().StringVar(&to, "to", "", "those made before this time")
	replay.Flags().BoolVar(&failed, "failed", false, "only those that were given up")
	return replay
}

// replayStep is how many deliveries are replayed before the operator is told how
// far it is.
const replayStep = 1000

func replayRange(o *options, c *cobra.Command, a *app.Admin, r webhook.Range) error {
	total := 0
	for {
		n, next, err := a.Webhooks.ReplayRange(c.Context(), r, replayStep, nil)
		total += n
		if err != nil {
			return fmt.Errorf("after %d deliveries: %w", total, err)
		}
		if next == "" {
			return o.print(c.OutOrStdout(), map[string]int{"replayed": total}, func(out io.Writer) { _, _ = fmt.Fprintf(out, "%d deliveries are sent again\n", total) })
		}
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "%d so far\n", total)
		r.After = next
	}
}

func when(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--%s must be a time like 2026-01-02T15:04:05Z", flag)
	}
	return t.UTC(), nil
}
