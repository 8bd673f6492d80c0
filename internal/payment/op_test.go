package payment_test

import (
	"testing"

	"quittance/internal/payment"
)

// TestHolder: behind a smart account of one of the payment's operations is its owner,
// and behind everybody else nobody but himself.
func TestHolder(t *testing.T) {
	const account, told, owner, other = "0xAAaA000000000000000000000000000000000001", "0xDdDD000000000000000000000000000000000004", "0xBbbB000000000000000000000000000000000002", "0xCccC000000000000000000000000000000000003"
	p := &payment.Payment{Attempts: []payment.Attempt{
		{Key: "tx:1", Kind: "tx", Payer: other},
		{Key: "op:1:0x01", Kind: "user_op", Payer: account, Op: &payment.Op{Owner: owner}},
		{Key: "tx:2", Kind: "tx", Payer: told, Owner: other},
	}}
	for payer, want := range map[string]string{account: owner, owner: owner, other: other, told: other, "": ""} {
		if got := p.Holder(payment.Transfer{Evidence: payment.Evidence{Payer: payer}}); got != want {
			t.Errorf("the holder behind %q is %q, not %q", payer, got, want)
		}
	}
}
