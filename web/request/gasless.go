package request

import (
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/rail"
)

// ownerOf reads whose smart account a payer is, zero if it is nobody's. Whether it is,
// the checkout tells.
func ownerOf(c echo.Context) (asset.Address, error) {
	text := c.QueryParam("eoaWallet")
	if text == "" {
		return asset.Address{}, nil
	}
	owner, err := asset.ParseAddress(text)
	switch {
	case err != nil:
		return owner, badSource("eoaWallet", "invalid_wallet", "eoaWallet must be an EVM address: "+err.Error()+".")
	case owner.IsZero():
		return owner, badSource("eoaWallet", "invalid_wallet", "eoaWallet is the zero address, which owns nothing.")
	}
	return owner, nil
}

// ofOwner names the wallet where a fault refuses who holds it: the account in front of
// it is asked for nothing.
func ofOwner(payer rail.Payer, err error) error {
	if f := fault.From(err); !payer.Owner.IsZero() && f != nil && f.Kind == fault.Forbidden && f.Field == "wallet" {
		return f.At("eoaWallet")
	}
	return err
}
