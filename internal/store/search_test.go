package store

import (
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// oldInsertTransfer is the first version's statement, word for word.
const oldInsertTransfer = `INSERT INTO transfers (key, payment, request, rail, asset, amount, credit, fee, stage, at,
 chain, block, block_hash, tx, log_index, payer)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (key) DO NOTHING`

// Transfers of the first version are found, those from before this one came and
// those that its nodes added beside this one's.
func TestTransfersOfTheFirstVersionAreFound(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(migrationFiles)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		run := func(query string, args ...any) {
			t.Helper()
			if err := s.change(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		transfer := func(key string, at int) {
			t.Helper()
			run(oldInsertTransfer, key, "P", 0, "evmref", "USDC-base", "5", "5", "", "final", at, 8453, at, "0x1", "0x"+key, 0, "")
		}
		if err := s.migrate(ctx, all[:1]); err != nil {
			t.Fatal(err)
		}
		run(oldInsertMerchant, "M", "Shop", 0, 1)
		run(oldInsertPayment, "P", "M")
		run(oldInsertRequest, "P", 0, "01ab", "USDC-base", "5", "0x742d35cc6634c0532925a3b844bc454e4438f44e", "", "", "", "00", "0x01", "")
		transfer("a", 1)
		for _, want := range []string{"a", "b"} {
			if want == "b" {
				transfer("b", 2)
			}
			if err := s.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			found, total, err := s.Arrivals(ctx, checkout.Search{Merchant: payment.MerchantID("M"), Invoiced: "USDC-base", Limit: 10})
			if err != nil || total == 0 || found[0].Transfer.Key != want || found[0].RequestID != "01ab" {
				t.Errorf("found %+v, %v, want %s first", found, err, want)
			}
		}
	})
}
