package request_test

import (
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

var (
	opAccount = asset.Address{0xac, 19: 1}.String()
	opOwner   = asset.Address{0x0e, 19: 2}.String()
	opHash    = "0x" + strings.Repeat("0b", 32)
)

// byOp is the attempt of a user operation on a chain.
func byOp(chain asset.ChainID, executed string) payment.Attempt {
	return payment.Attempt{
		Key: "op:8453:" + opHash, Kind: "user_op", Chain: chain, Handle: opHash, Payer: opAccount,
		Op: &payment.Op{Owner: opOwner, Nonce: "0", Token: "USDC-base", Amount: big.NewInt(100_020_000), ExecutedBy: executed},
	}
}

// Money from a smart account is its own on the chain and its owner's everywhere else:
// both are told, of whatever it paid and however it came. Everybody else is himself.
func TestPayersOfSmartAccounts(t *testing.T) {
	kinds := map[payment.EventKind]string{
		payment.EventPaid: "payment.confirmed", payment.EventPartial: "payment.partial", payment.EventLate: "payment.late", payment.EventSurplus: "payment.overpaid",
	}
	stranger := asset.Address{0x92, 19: 1}.String()
	for kind, name := range kinds {
		for _, c := range []struct {
			what, payer, account, holder string
			attempts                     []payment.Attempt
		}{
			{"a smart account", opAccount, opAccount, opOwner, []payment.Attempt{byOp(8453, paidTx)}},
			{"its owner", opOwner, opOwner, opOwner, []payment.Attempt{byOp(8453, "")}},
			{"somebody else", stranger, stranger, stranger, []payment.Attempt{byOp(8453, "")}},
			{"an account of no operation", opAccount, opAccount, opAccount, []payment.Attempt{{Kind: "tx", Handle: paidTx, Payer: opOwner}}},
			{"over a bridge", opAccount, opAccount, opOwner, []payment.Attempt{{Kind: "bridge", Chain: 42161, Handle: sentTx, Payer: opAccount}, byOp(42161, sentTx)}},
			{"nobody knows", "", "", "", []payment.Attempt{byOp(8453, "")}},
		} {
			p, ev := told(1, kind)
			p.Attempts, ev.Transfer.Evidence.Payer = c.attempts, c.payer
			for n, m := range encode(t, p, ev) {
				if c.payer == "" {
					if !strings.Contains(string(m.Body), `"payerAddress":null,"payerEoaAddress":null`) {
						t.Errorf("%s, %s: %s", n, c.what, m.Body)
					}
					continue
				}
				if !strings.Contains(string(m.Body), `"payerAddress":"`+c.account+`","payerEoaAddress":"`+c.holder+`"`) {
					t.Errorf("%s, %s: %s", n, c.what, m.Body)
				}
			}
			if _, ok := encode(t, p, ev)[name]; !ok {
				t.Errorf("%s was not worded", name)
			}
		}
	}
}

// An operation that came to nothing fails its attempt: the payment goes on, and the
// merchant learns whose it was and what the chain has of it.
func TestBrokenOperation(t *testing.T) {
	for _, c := range []struct{ reason, executed, words string }{
		{payment.ReasonOpFailed, sentTx, "its calls failed"},
		{payment.ReasonOpReplaced, sentTx, "Another operation"},
		{payment.ReasonOpExpired, "", "not executed in time"},
		{payment.ReasonOpRefused, "", "refused before"},
	} {
		p, ev := told(2, payment.EventBroken)
		p.Transfers, ev.Transfer, ev.Request = nil, nil, -1
		p.Attempts = []payment.Attempt{{Kind: "tx", Chain: 1, Handle: paidTx}, byOp(42161, c.executed)}
		ev.Detail, ev.Fields = c.reason, map[string]string{payment.FieldReason: c.reason, payment.FieldTx: opHash}
		all := encode(t, p, ev)
		body := has(t, "payment.failed", all["payment.failed"].Body)
		holds(t, c.reason, body, map[string]any{
			"subStatus": c.reason, "status": "pending", "requestId": p.Terms.Requests[0].ID, "sourceNetwork": "arbitrum-one", "userOpHash": opHash,
			"payerAddress": opAccount, "payerEoaAddress": opOwner, "totalAmountPaid": "0",
		})
		if executed, _ := body["sourceTxHash"].(string); len(all) != 1 || executed != c.executed || body["safeTxHash"] != nil || !strings.Contains(str(body["failureReason"]), c.words) {
			t.Errorf("%s: %v %v", c.reason, names(all), body)
		}
	}
	p, ev := told(1, payment.EventBroken)
	p.Attempts = []payment.Attempt{{Kind: "bridge", Chain: 42161, Handle: sentTx}, byOp(42161, sentTx)}
	ev.Transfer, ev.Detail, ev.Fields = nil, checkout.ReasonCallFailed, map[string]string{payment.FieldReason: checkout.ReasonCallFailed, payment.FieldTx: sentTx}
	body := has(t, "payment.failed", encode(t, p, ev)["payment.failed"].Body)
	holds(t, "its money over a bridge", body, map[string]any{"subStatus": checkout.ReasonCallFailed, "sourceTxHash": sentTx})
	if body["userOpHash"] != nil || body["payerAddress"] != nil {
		t.Errorf("a bridge's failure is an operation's: %v", body)
	}
}

// What the page was told to have sent may be an operation.
func TestUserEventOfAnOperation(t *testing.T) {
	p, ev := told(1, payment.EventUser)
	p.Attempts = []payment.Attempt{byOp(42161, "")}
	ev.Request, ev.Transfer = -1, nil
	ev.Fields = map[string]string{payment.FieldAction: checkout.UserApproved, payment.FieldTx: opHash, payment.FieldProvider: "metamask"}
	body := has(t, "secure_payment.user_event", encode(t, p, ev)["secure_payment.user_event"].Body)
	holds(t, "properties", object(body["properties"]), map[string]any{
		"payment_submission_id": opHash, "payment_submission_id_type": "user_op_hash", "selected_source_chain": "arbitrum-one",
	})
}
