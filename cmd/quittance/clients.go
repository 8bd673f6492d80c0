package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

type clientWire struct {
	ID        string    `json:"id"`
	ClientID  string    `json:"clientId"`
	Label     string    `json:"label"`
	Origins   []string  `json:"origins"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"createdAt"`
}

// clientidCommand makes, lists and revokes client ids. They are no secrets, so
// the list shows them whole.
func clientidCommand(o *options) *cobra.Command {
	return group("clientid", "Make, list and revoke client ids", clientidCreate(o), clientidList(o), clientidRevoke(o))
}

func clientOf(x merchant.Credential) clientWire {
	return clientWire{ID: x.ID, ClientID: x.Public, Label: x.Label, Origins: append([]string{}, x.Origins...), Status: string(x.Status()), CreatedAt: x.CreatedAt}
}

func clientidCreate(o *options) *cobra.Command {
	var owner string
	var draft app.ClientDraft
	c := &cobra.Command{
		Use: "create", Short: "Make a client id", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				made, err := a.AddClientID(c.Context(), payment.MerchantID(owner), draft)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), clientOf(made), func(out io.Writer) { _, _ = fmt.Fprintf(out, "%s\n", made.Public) })
			})
		},
	}
	c.Flags().StringVar(&draft.Label, "label", "", "your own name for it")
	c.Flags().StringSliceVar(&draft.Origins, "origin", nil, "a page that may use it, like https://shop.example.com (repeatable; none makes it a backend's)")
	c.Flags().StringVar(&draft.Destination, "destination", "", "the destination its payments go to; a backend's needs one")
	c.Flags().StringVar(&draft.FeePercentage, "fee", "", "percentage that goes to --fee-address on top of each payment, 0 to let each payment decide")
	c.Flags().StringVar(&draft.FeeAddress, "fee-address", "", "who gets the fee")
	merchantFlag(c, &owner)
	return c
}

func clientidList(o *options) *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use: "list", Short: "List what a merchant has", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Credentials(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, x := range all {
					if x.Kind != merchant.ClientID {
						continue
					}
					w := clientOf(x)
					err := o.print(c.OutOrStdout(), w, func(out io.Writer) {
						_, _ = fmt.Fprintf(out, "%s  %s  %-8s %v %s\n", w.ID, w.ClientID, w.Status, w.Origins, w.Label)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	merchantFlag(c, &owner)
	return c
}

func clientidRevoke(o *options) *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use: "revoke ID", Short: "Stop one from working, within seconds and for good", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				x, err := a.Store.Client(c.Context(), payment.MerchantID(owner), args[0])
				if err != nil {
					return err
				}
				return a.Store.RevokeCredential(c.Context(), x.Merchant, x.ID, time.Now().UTC())
			})
		},
	}
	merchantFlag(c, &owner)
	return c
}

type destinationWire struct {
	ID            string `json:"id"`
	DestinationID string `json:"destinationId"`
	WalletType    string `json:"walletType"`
	Active        bool   `json:"active"`
}

// destinationCommand says where a merchant is paid. An operator's word needs no
// signature of the wallet.
func destinationCommand(o *options) *cobra.Command {
	var owner, kind string
	show := func(c *cobra.Command, d merchant.Destination) error {
		w := destinationWire{ID: d.ID, DestinationID: d.To.String(), WalletType: string(d.WalletType), Active: d.Active}
		return o.print(c.OutOrStdout(), w, func(out io.Writer) { _, _ = fmt.Fprintf(out, "%s  active=%v  %s\n", w.ID, w.Active, w.DestinationID) })
	}
	add := &cobra.Command{
		Use: "add DESTINATION", Aliases: []string{"create"}, Args: cobra.ExactArgs(1),
		Short: "Set where payments go: wallet@eip155:chain#checksum:token; it replaces the wallet's active one on that chain",
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				d, err := a.AddDestination(c.Context(), payment.MerchantID(owner), args[0], merchant.WalletType(kind))
				if err != nil {
					return err
				}
				return show(c, d)
			})
		},
	}
	add.Flags().StringVar(&kind, "wallet-type", string(merchant.EOA), "what the wallet is: eoa, or safe for a contract")
	list := &cobra.Command{
		Use: "list", Short: "List a merchant's destinations", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Destinations(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, d := range all {
					if err := show(c, d); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	remove := &cobra.Command{
		Use: "remove DESTINATION", Short: "Deactivate a destination, by its destination id or its own id", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				return a.RemoveDestination(c.Context(), payment.MerchantID(owner), args[0])
			})
		},
	}
	for _, c := range []*cobra.Command{add, list, remove} {
		merchantFlag(c, &owner)
	}
	return group("destination", "Set, list and end where payments go", add, list, remove)
}
