package checkout

import (
	"quittance/internal/asset"
	"quittance/internal/rail"
)

// OwnAccount refuses a payer who is said to be his owner's smart account on a chain and
// is not. Payers without an owner pass. It asks nobody.
//
// Faults: Invalid on "eoaWallet": "gasless_unsupported", "safe_with_eoa_wallet"; on
// "wallet": "not_the_account", "missing_wallet".
func (s *Service) OwnAccount(chain asset.ChainID, payer rail.Payer) error {
	if payer.Owner.IsZero() {
		return nil
	}
	if err := s.fits(payer); err != nil {
		return err
	}
	return s.fitsAccount(chain, payer)
}
