package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

type walletWire struct {
	Address   string             `json:"address"`
	Merchant  payment.MerchantID `json:"merchant"`
	Contract  asset.ChainID      `json:"contractOn,omitempty"`
	CreatedAt time.Time          `json:"createdAt"`
}

// walletCommand manages the wallets whose sign-in acts for a merchant.
func walletCommand(o *options) *cobra.Command {
	return group("wallet", "Manage the wallets that sign in for a merchant", walletAdd(o), walletRemove(o), walletList(o))
}

func walletAdd(o *options) *cobra.Command {
	var owner string
	var contract uint64
	c := &cobra.Command{
		Use: "add ADDRESS", Short: "Let a wallet sign in for a merchant", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			wallet, err := walletAddress(args[0])
			if err != nil {
				return err
			}
			return o.admin(c, func(a *app.Admin) error {
				w := merchant.Wallet{Address: wallet, Merchant: payment.MerchantID(owner), Contract: asset.ChainID(contract), CreatedAt: time.Now().UTC()}
				if _, err := a.Store.Merchant(c.Context(), w.Merchant); err != nil {
					return err
				}
				if err := a.Store.AddWallet(c.Context(), w); err != nil {
					return err
				}
				return showWallet(o, c, w)
			})
		},
	}
	c.Flags().Uint64Var(&contract, "contract-on", 0, "number of the chain on which the wallet is a contract that signs by EIP-1271; without it the wallet signs with its own key")
	merchantFlag(c, &owner)
	return c
}

func walletRemove(o *options) *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use: "remove ADDRESS", Short: "Take that back and end the wallet's sessions", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			wallet, err := walletAddress(args[0])
			if err != nil {
				return err
			}
			return o.admin(c, func(a *app.Admin) error { return a.Store.RemoveWallet(c.Context(), payment.MerchantID(owner), wallet) })
		},
	}
	merchantFlag(c, &owner)
	return c
}

func walletList(o *options) *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use: "list", Short: "List the wallets that sign in for a merchant", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Wallets(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, w := range all {
					if err := showWallet(o, c, w); err != nil {
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

func showWallet(o *options, c *cobra.Command, w merchant.Wallet) error {
	return o.print(c.OutOrStdout(), walletWire{w.Address.String(), w.Merchant, w.Contract, w.CreatedAt}, func(out io.Writer) {
		kind := "key"
		if w.Contract != 0 {
			kind = fmt.Sprintf("contract on chain %d", w.Contract)
		}
		_, _ = fmt.Fprintf(out, "%s  %s  %s\n", w.Address, w.Merchant, kind)
	})
}

// walletAddress reads a wallet; nobody has the key of the zero address.
func walletAddress(text string) (asset.Address, error) {
	wallet, err := asset.ParseAddress(text)
	if err != nil {
		return asset.Address{}, fmt.Errorf("%q is %w", text, err)
	}
	if wallet.IsZero() {
		return asset.Address{}, fmt.Errorf("nobody can sign in as the zero address")
	}
	return wallet, nil
}
