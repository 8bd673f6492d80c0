package secpaid

import (
	"context"
	"slices"
	"strconv"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
)

// shared makes a request of each share, to a wallet of whoever's it is. All are on one
// network, for one transaction pays them all: the first on which everybody has a wallet.
// The first so many shares are recipients', the last may be the owner's.
//
// Fault: Invalid "no_wallet".
func (d *dialect) shared(ctx context.Context, shares []share, recipients int) ([]checkout.DraftRequest, error) {
	wallets := make([]map[asset.ChainID]asset.Address, len(shares))
	for i, s := range shares {
		of, err := d.Directory.Destinations(ctx, s.Merchant)
		if err != nil {
			return nil, err
		}
		wallets[i] = map[asset.ChainID]asset.Address{}
		for _, x := range of { // in the order in which they were set: the newest one stays
			wallets[i][x.To.Chain] = x.To.Wallet
		}
	}
	missing := -1 // whose wallet is, on the network where it comes last
	for _, chain := range d.Networks {
		lacks := slices.IndexFunc(wallets, func(w map[asset.ChainID]asset.Address) bool { _, ok := w[chain]; return !ok })
		if lacks < 0 {
			var out []checkout.DraftRequest
			for i, s := range shares {
				out = append(out, checkout.DraftRequest{Fiat: asset.EUR, Amount: money.Cents(s.Cents), Payee: wallets[i][chain], Chain: chain})
			}
			return out, nil
		}
		missing = max(missing, lacks)
	}
	switch {
	case len(d.Networks) == 0:
		return nil, splitFault("no_network", "This server cannot split links")
	case missing >= recipients:
		return nil, splitFault("no_wallet", "Your account has no wallet")
	}
	return nil, splitFault("no_wallet", "Recipient at index "+strconv.Itoa(missing)+" has no wallet")
}
