package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

type branchWire struct {
	ID        string             `json:"id"`
	Merchant  payment.MerchantID `json:"merchant"`
	Asset     string             `json:"asset"` // of the first quotes, "" for the first chain's native currency
	Life      string             `json:"life,omitempty"`
	Active    bool               `json:"active"`
	Checked   uint32             `json:"checked"` // addresses that were looked at
	Free      int                `json:"free"`    // that can be given out
	CreatedAt time.Time          `json:"createdAt"`
	First     []string           `json:"firstAddresses,omitempty"`
}

func branchOf(b merchant.Branch) branchWire {
	w := branchWire{ID: b.ID, Merchant: b.Merchant, Asset: string(b.Asset), Active: b.Active, Checked: b.NextIndex, CreatedAt: b.CreatedAt}
	if b.Life > 0 {
		w.Life = b.Life.String()
	}
	return w
}

// shownAddresses are compared with the wallet's before money goes to any of them.
const shownAddresses = 3

// depositsCommand says from which key a merchant's deposit addresses are derived.
func depositsCommand(o *options) *cobra.Command {
	return group("deposits", "Set and list the keys that deposit addresses are derived from", depositsKey(o), depositsList(o))
}

func depositsKey(o *options) *cobra.Command {
	var owner, file string
	var draft app.DepositKey
	c := &cobra.Command{
		Use: "key", Args: cobra.NoArgs,
		Short: "Set the extended public key (xpub) that deposit addresses are derived from; read from standard input",
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := readXPub(c, file)
			if err != nil {
				return err
			}
			draft.XPub = text
			return o.admin(c, func(a *app.Admin) error {
				b, err := a.SetDepositKey(c.Context(), payment.MerchantID(owner), draft)
				if err != nil {
					return err
				}
				first, err := app.FirstAddresses(b, shownAddresses)
				if err != nil {
					return err
				}
				w := branchOf(b)
				for _, f := range first {
					w.First = append(w.First, f.String())
				}
				return o.print(c.OutOrStdout(), w, func(out io.Writer) {
					_, _ = fmt.Fprintf(out, "%s\nIts first addresses; your wallet must show the same:\n", w.ID)
					for i, f := range w.First {
						_, _ = fmt.Fprintf(out, "  %d  %s\n", i, f)
					}
				})
			})
		},
	}
	c.Flags().StringVar(&file, "xpub-file", "", "file with the key, instead of standard input")
	c.Flags().StringVar(&draft.Asset, "asset", "", `what the first quote of a payment is in, like "USDC-base" (default: the native currency of the first chain)`)
	c.Flags().DurationVar(&draft.Life, "life", 0, "how long payments may be paid, like 60m (default: the dialect's)")
	merchantFlag(c, &owner)
	return c
}

func depositsList(o *options) *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use: "list", Short: "List the keys, without showing them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Branches(c.Context())
				if err != nil {
					return err
				}
				for _, b := range all {
					if owner != "" && b.Merchant != payment.MerchantID(owner) {
						continue
					}
					free, err := a.Store.FreeAddresses(c.Context(), b.ID)
					if err != nil {
						return err
					}
					w := branchOf(b)
					w.Free = len(free)
					err = o.print(c.OutOrStdout(), w, func(out io.Writer) {
						_, _ = fmt.Fprintf(out, "%s  %s  active=%v  %d addresses checked, %d free  %s %s\n", w.ID, w.Merchant, w.Active, w.Checked, w.Free, w.Asset, w.Life)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&owner, "merchant", "", "only this merchant's")
	return c
}

// maxXPub is far more than an extended key and the blanks around it.
const maxXPub = 4096

// readXPub reads an extended public key. It is never an argument, where others on the
// machine could read it: whoever has it sees every payment. A private key is refused
// before anything else is done with it, and not repeated.
func readXPub(c *cobra.Command, file string) (string, error) {
	in := c.InOrStdin()
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("the key's file: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxXPub+1))
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	if len(b) > maxXPub {
		return "", hdkey.ErrSyntax
	}
	text := strings.TrimSpace(string(b))
	if _, err := hdkey.OpenBranch(text); errors.Is(err, hdkey.ErrPrivate) {
		return "", fmt.Errorf("%w. Nothing was stored; move what it holds to a new key", err)
	} else if err != nil {
		return "", err
	}
	return text, nil
}
