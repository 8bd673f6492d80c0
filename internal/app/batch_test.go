package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/config"
	"quittance/internal/faultproxytest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// shop is a running server on a chain with the official contracts.
type shop struct {
	t     *testing.T
	chain *chaintest.Chain
	admin *Admin
	call  func(method, path, body string) (int, map[string]any)
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, chain: realBase(t)}
	s.chain.Mine(3)
	listen := faultproxytest.KeptPorts(t, 1)[0]
	path, load := writeConfig(t, s.chain, listen)
	if err := Pin(t.Context(), load(), config.PinsPath(path), io.Discard); err != nil {
		t.Fatal(err)
	}
	key, _ := setUp(t, load())
	run, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(run, load(), slog.New(slog.DiscardHandler), nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve stopped with: %v", err)
		}
	})
	var err error
	if s.admin, err = OpenAdmin(t.Context(), load()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.admin.Close() })
	s.call = caller(t, "http://"+listen, key)
	await(t, "readiness", func() bool { status, _ := s.call(http.MethodGet, "/readyz", ""); return status == http.StatusOK })
	return s
}

// prepared are the approvals and the payment that the API gives the payer.
func (s *shop) prepared(token string) (approvals []rail.Call, pay rail.Call) {
	s.t.Helper()
	status, body := s.call(http.MethodGet, "/v2/secure-payments/"+token+"/pay?wallet="+s.chain.Wallet.Address(), "")
	if status != http.StatusOK {
		s.t.Fatalf("pay: %d %v", status, body)
	}
	checks, _ := body["checks"].([]any)
	for _, x := range checks {
		if check, _ := x.(map[string]any); check["outcome"] != "passed" {
			s.t.Errorf("check %v", check)
		}
	}
	read := func(v any) rail.Call {
		tx, _ := v.(map[string]any)
		to, _ := tx["to"].(string)
		data, _ := tx["data"].(string)
		value, _ := tx["value"].(string)
		raw, err := hex.DecodeString(strings.TrimPrefix(data, "0x"))
		wei, ok := new(big.Int).SetString(strings.TrimPrefix(value, "0x"), 16)
		if err != nil || !ok {
			s.t.Fatalf("transaction %v", v)
		}
		return rail.Call{To: parse(s.t, to), Data: raw, Value: wei}
	}
	list, _ := body["ERC20ApprovalTransactions"].([]any)
	for _, v := range list {
		approvals = append(approvals, read(v))
	}
	return approvals, read(body["batchPaymentTransaction"])
}

func (s *shop) send(calls ...rail.Call) {
	s.t.Helper()
	for _, c := range calls {
		tx := s.chain.Wallet.Send(c.To.String(), c.Value, c.Data)
		s.chain.Mine(1)
		if r := s.chain.Receipt(tx); r == nil || r.Status != 1 {
			s.t.Fatalf("transaction to %s failed: %+v", c.To, r)
		}
	}
}

// stands waits until the payment and its requests are as told, and returns its transfers.
func (s *shop) stands(what, token, want string) []payment.Transfer {
	s.t.Helper()
	var transfers []payment.Transfer
	await(s.t, what, func() bool {
		p, err := s.admin.Checkout.Payment(s.t.Context(), payment.ID(token))
		if err != nil {
			s.t.Fatal(err)
		}
		transfers = p.Transfers
		got := string(p.Standing.State)
		for _, q := range p.Standing.Requests {
			got += " " + string(q.State)
		}
		return got == want
	})
	return transfers
}

// TestBatchProduction pays a batch on the official bytecode: one request beforehand
// and alone, the others in one transaction, which a reorganisation takes back once.
func TestBatchProduction(t *testing.T) {
	s := newShop(t)
	const payees = "0x1111111111111111111111111111111111111111 0x3333333333333333333333333333333333333333"
	first, second, _ := strings.Cut(payees, " ")
	item := func(payee, currency, amount string) string {
		return fmt.Sprintf(`{"payee":%q,"paymentCurrency":%q,"amount":%q}`, payee, currency, amount)
	}
	status, made := s.call(http.MethodPost, "/v2/secure-payments", `{"requests":[`+strings.Join([]string{
		item(first, "USDC-base", "12.5"), item(first, "ETH-base", "0.25"), item(second, "USDC-base", "7"), item(second, "ETH-base", "0.5"),
	}, ",")+`],"feePercentage":"2","feeAddress":"0x2222222222222222222222222222222222222222"}`)
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, made)
	}
	token, _ := made["token"].(string)

	approvals, pay := s.prepared(token)
	batch, err := official.DecodeBatchPayment(pay.Data)
	if err != nil || len(batch.Items) != 4 || len(approvals) != 1 {
		t.Fatalf("prepared %d approvals, %+v, %v", len(approvals), batch, err)
	}
	sum := func(amount, fee int64) *big.Int { return big.NewInt(amount + fee) }
	if pay.Value.Cmp(sum(75e16, 15e15)) != 0 {
		t.Errorf("value %s: amounts and fees of both native requests", pay.Value)
	}

	// The second request alone, its fee with it.
	alone := batch.Items[2]
	one, err := official.Default().PayCall(official.Expectation{
		Chain: asset.Base, Payee: alone.Payee, Amount: alone.Amount, Reference: alone.Reference, Fee: alone.Fee, FeePayee: batch.FeeAddress,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.send(one)
	s.stands("one request seen", token, "open open seen open open")

	approvals, pay = s.prepared(token)
	if batch, err = official.DecodeBatchPayment(pay.Data); err != nil || len(batch.Items) != 3 || pay.Value.Cmp(sum(5e17, 1e16)) != 0 {
		t.Fatalf("prepared with %s wei: %+v %v", pay.Value, batch, err)
	}
	s.send(approvals...)
	s.send(pay)
	s.stands("everything seen", token, "seen seen paid seen seen")
	s.chain.Reorg(1)
	s.chain.Mine(1)
	s.stands("the reorganisation", token, "open open paid open open")

	approvals, pay = s.prepared(token) // the approval's block is still there
	if len(approvals) != 0 {
		t.Errorf("%d approvals are asked for again", len(approvals))
	}
	s.send(pay)
	s.chain.Mine(3)
	transfers := s.stands("completion", token, "paid paid paid paid paid")
	keys, counted := map[string]bool{}, map[payment.Stage]int{}
	for _, x := range transfers {
		keys[x.Key] = true
		counted[x.Stage]++
	}
	if len(keys) != len(transfers) || counted[payment.Final] != 4 || counted[payment.Pending] != 0 {
		t.Errorf("%d transfers, %d keys: %v", len(transfers), len(keys), counted)
	}
	if status, _ := s.call(http.MethodGet, "/v2/secure-payments/"+token, ""); status != http.StatusConflict {
		t.Errorf("a completed payment answers %d", status)
	}
	for holder, want := range map[string][2]int64{
		first: {12_500_000, 25e16}, second: {7_000_000, 5e17}, "0x2222222222222222222222222222222222222222": {390_000, 15e15},
	} {
		if usdc, wei := s.chain.Balance(usdcOnBase, holder), s.chain.Balance("", holder); usdc.Int64() != want[0] || wei.Int64() != want[1] {
			t.Errorf("%s has %s USDC and %s wei, want %d and %d", holder, usdc, wei, want[0], want[1])
		}
	}

	// Whatever is read again is known.
	s.chain.Mine(3)
	if again := s.stands("more blocks", token, "paid paid paid paid paid"); len(again) != len(transfers) {
		t.Errorf("%d transfers, %d before", len(again), len(transfers))
	}
}
