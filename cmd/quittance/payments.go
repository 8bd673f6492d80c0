package main

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
)

type paymentWire struct {
	Token     string         `json:"token"`
	Merchant  string         `json:"merchant"`
	State     string         `json:"state"`
	Oddity    string         `json:"oddity"`
	Reference string         `json:"reference,omitempty"`
	ExpiresAt time.Time      `json:"expiresAt"`
	Transfers []transferWire `json:"transfers"`
	Events    []eventWire    `json:"events"`
}

type transferWire struct {
	Asset  string    `json:"asset"`
	Amount string    `json:"amount"` // base units
	Stage  string    `json:"stage"`
	At     time.Time `json:"at"`
	Tx     string    `json:"tx"`
	Payer  string    `json:"payer,omitempty"`
}

type eventWire struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Detail string    `json:"detail,omitempty"`
}

func paymentCommand(o *options) *cobra.Command {
	show := &cobra.Command{
		Use: "show TOKEN", Short: "Show where a payment stands, what arrived and what happened", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				p, err := a.Payment(c.Context(), args[0])
				if err != nil {
					return err
				}
				events, err := a.Store.Events(c.Context(), p.ID)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), describe(p, events), func(w io.Writer) { tell(w, describe(p, events)) })
			})
		},
	}
	var owner string
	cancel := &cobra.Command{
		Use: "cancel TOKEN", Short: "Call a payment off for its merchant", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				p, err := a.Payment(c.Context(), args[0])
				if err != nil {
					return err
				}
				return a.Checkout.Cancel(c.Context(), payment.MerchantID(owner), p.ID)
			})
		},
	}
	merchantFlag(cancel, &owner)
	return group("payment", "Look at payments, call them off and tell of refunds", show, cancel, refundedCommand(o))
}

func refundedCommand(o *options) *cobra.Command {
	var owner string
	var b app.GivenBack
	refunded := &cobra.Command{
		Use: "refunded TOKEN", Short: "Record that you gave money back, and have your webhooks told; nothing is sent or checked on a chain", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if b.Asset != string(asset.EUR) && (b.Tx == "" || b.To == "") {
				return errors.New("required flags --tx and --to say which transaction gave it back, and to whom")
			}
			return o.admin(c, func(a *app.Admin) error {
				recorded, err := a.Refunded(c.Context(), payment.MerchantID(owner), args[0], b)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), map[string]bool{"recorded": recorded}, func(w io.Writer) {
					if recorded {
						_, _ = fmt.Fprintln(w, "recorded")
					} else {
						_, _ = fmt.Fprintln(w, "this refund was recorded before")
					}
				})
			})
		},
	}
	merchantFlag(refunded, &owner)
	refunded.Flags().IntVar(&b.Request, "request", 0, "which request of the payment, from 0")
	refunded.Flags().StringVar(&b.Tx, "tx", "", "the transaction that gave it back; of a bank's your own words, or none")
	refunded.Flags().StringVar(&b.To, "to", "", "the account that got it; none where a bank gave it back")
	refunded.Flags().StringVar(&b.Amount, "amount", "", "how much, in units of the asset like 12.50")
	refunded.Flags().StringVar(&b.Asset, "asset", "", "which asset, for payments that are due in dollars or euros: one that was paid in, like USDC-base, or EUR for what a bank gave back")
	refunded.Flags().BoolVar(&b.Full, "full", false, "nothing is left to give back, whatever the amounts come to")
	_ = refunded.MarkFlagRequired("amount")
	return refunded
}

func describe(p *payment.Payment, events []payment.Event) paymentWire {
	w := paymentWire{
		Token: string(p.ID), Merchant: string(p.Terms.Merchant), State: string(p.Standing.State), Oddity: string(p.Standing.Oddity),
		Reference: p.Terms.Reference, ExpiresAt: p.Terms.ExpiresAt, Transfers: []transferWire{}, Events: []eventWire{},
	}
	for _, x := range p.Transfers {
		w.Transfers = append(w.Transfers, transferWire{
			Asset: string(x.Asset), Amount: x.Amount.String(), Stage: string(x.Stage), At: x.At, Tx: x.Evidence.Tx, Payer: x.Evidence.Payer,
		})
	}
	for _, e := range events {
		w.Events = append(w.Events, eventWire{At: e.At, Kind: string(e.Kind), Detail: e.Detail})
	}
	return w
}

func tell(w io.Writer, p paymentWire) {
	end := "expires " + p.ExpiresAt.Format(time.RFC3339)
	if !p.ExpiresAt.Before(payment.Endless) {
		end = "never expires"
	}
	_, _ = fmt.Fprintf(w, "%s  %s, %s  %s\n", p.Token, p.State, p.Oddity, end)
	for _, x := range p.Transfers {
		if x.Asset == string(asset.EUR) {
			_, _ = fmt.Fprintf(w, "  %s  %s EUR by bank, %s\n", x.At.Format(time.RFC3339), wholeUnits(x.Amount), x.Stage)
			continue
		}
		_, _ = fmt.Fprintf(w, "  %s  %s %s (base units) %s  %s  from %s\n", x.At.Format(time.RFC3339), x.Amount, x.Asset, x.Stage, x.Tx, x.Payer)
	}
	for _, e := range p.Events {
		_, _ = fmt.Fprintf(w, "  %s  %s  %s\n", e.At.Format(time.RFC3339), e.Kind, e.Detail)
	}
}

// wholeUnits writes inner euros as people do.
func wholeUnits(units string) string {
	n, ok := new(big.Int).SetString(units, 10)
	if !ok {
		return units
	}
	return money.Display(n, money.FiatDecimals)
}

type orphanWire struct {
	Reason  string    `json:"reason"`
	Payment string    `json:"payment"`
	Asset   string    `json:"asset"`
	Amount  string    `json:"amount"` // base units
	To      string    `json:"to"`
	Tx      string    `json:"tx"`
	At      time.Time `json:"at"`
}

func orphanCommand(o *options) *cobra.Command {
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List money that named a payment and could not be counted for it, newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Orphans(c.Context(), limit)
				if err != nil {
					return err
				}
				for _, x := range all {
					w := orphanWire{Reason: x.Reason, Payment: string(x.Payment), Asset: x.Asset, Amount: x.Amount, To: x.To, Tx: x.Evidence.Tx, At: x.At}
					err := o.print(c.OutOrStdout(), w, func(out io.Writer) {
						_, _ = fmt.Fprintf(out, "%s  %-11s payment %s: %s of %s to %s in %s\n", w.At.Format(time.RFC3339), w.Reason, w.Payment, w.Amount, w.Asset, w.To, w.Tx)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	list.Flags().IntVar(&limit, "limit", 50, "how many")
	return group("orphan", "Money that could not be given to a payment: wrong asset, wrong payee, dust", list)
}
