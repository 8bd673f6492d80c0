package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

func keygenCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen",
		Short: "Make a key for the configuration's keys list",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var b [32]byte
			_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
			key := base64.StdEncoding.EncodeToString(b[:])
			return o.print(c.OutOrStdout(), map[string]string{"key": key}, func(w io.Writer) { _, _ = fmt.Fprintln(w, key) })
		},
	}
}

func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	c.AddCommand(subs...)
	return c
}

type merchantWire struct {
	ID        payment.MerchantID `json:"id"`
	Name      string             `json:"name"`
	CreatedAt time.Time          `json:"createdAt"`
}

func merchantCommand(o *options) *cobra.Command {
	var window time.Duration
	show := func(c *cobra.Command, m merchant.Merchant) error {
		return o.print(c.OutOrStdout(), merchantWire{m.ID, m.Name, m.CreatedAt}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s  %s\n", m.ID, m.Name) })
	}
	create := &cobra.Command{
		Use: "create NAME", Short: "Make a merchant", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				m, err := a.AddMerchant(c.Context(), args[0], window)
				if err != nil {
					return err
				}
				return show(c, m)
			})
		},
	}
	create.Flags().DurationVar(&window, "window", 0, "how long its payments may be paid, like 24h (default: the server's)")
	list := &cobra.Command{
		Use: "list", Short: "List merchants", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Merchants(c.Context())
				if err != nil {
					return err
				}
				for _, m := range all {
					if err := show(c, m); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	return group("merchant", "Make and list merchants, and the wallets that sign in for them", create, list, walletCommand(o))
}

type credentialWire struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Hint      string    `json:"hint"`
	Label     string    `json:"label"`
	Secret    string    `json:"secret,omitempty"`
	Revoked   bool      `json:"revoked"`
	CreatedAt time.Time `json:"createdAt"`
}

// apiKeys are the kinds of keys for a backend, by what they are called on the command line.
var apiKeys = map[string]merchant.CredentialKind{
	string(merchant.APIKey): merchant.APIKey, string(merchant.SpacePaySecret): merchant.SpacePaySecret, string(merchant.SecPaidToken): merchant.SecPaidToken,
}

// apikeyCommand makes, lists and revokes the keys that backends use.
func apikeyCommand(o *options) *cobra.Command {
	var owner, label, kind string
	create := &cobra.Command{
		Use: "create", Short: "Make an API key; it is shown once", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			k, ok := apiKeys[kind]
			if !ok {
				return fmt.Errorf("no kind of key is called %q: %s", kind, kinds())
			}
			return o.admin(c, func(a *app.Admin) error {
				made, secret, err := a.AddCredential(c.Context(), payment.MerchantID(owner), k, label)
				if err != nil {
					return err
				}
				w := credentialWire{ID: made.ID, Kind: kind, Hint: made.Hint, Label: label, Secret: secret, CreatedAt: made.CreatedAt}
				return o.print(c.OutOrStdout(), w, func(out io.Writer) { _, _ = fmt.Fprintf(out, "%s\n", secret) })
			})
		},
	}
	create.Flags().StringVar(&label, "label", "", "your own name for it")
	create.Flags().StringVar(&kind, "kind", string(merchant.APIKey), "which API it is for: "+kinds())
	list := &cobra.Command{
		Use: "list", Short: "List what a merchant has", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Credentials(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, x := range all {
					if _, ours := apiKeys[string(x.Kind)]; !ours {
						continue
					}
					w := credentialWire{ID: x.ID, Kind: string(x.Kind), Hint: x.Hint, Label: x.Label, Revoked: !x.RevokedAt.IsZero(), CreatedAt: x.CreatedAt}
					err := o.print(c.OutOrStdout(), w, func(out io.Writer) {
						_, _ = fmt.Fprintf(out, "%s  %-15s %-16s revoked=%v  %s\n", w.ID, w.Kind, w.Hint, w.Revoked, w.Label)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "Stop one from working, within seconds", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				return a.Store.RevokeCredential(c.Context(), payment.MerchantID(owner), args[0], time.Now().UTC())
			})
		},
	}
	for _, c := range []*cobra.Command{create, list, revoke} {
		merchantFlag(c, &owner)
	}
	return group("apikey", "Make, list and revoke API keys", create, list, revoke)
}

func kinds() string {
	all := slices.Sorted(maps.Keys(apiKeys))
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

func merchantFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "merchant", "", "the merchant's id")
	_ = c.MarkFlagRequired("merchant")
}
