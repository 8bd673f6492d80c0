package app_test

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// The seed's way: calldata, a proposal elsewhere, its hash and nothing else.
func TestASafePaysByItsHash(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{})
		tx, hash := c.proposes(0)
		first := c.intent(hash, nil).Want(http.StatusOK)
		if body := first.JSON(); body["safeTxHash"] != hash || body["isListening"] != true || body["paymentReference"] != c.Load(c.token).Terms.Requests[0].Reference {
			t.Errorf("answer %v", body)
		}
		if again := c.intent(hash, nil).Want(http.StatusOK); string(again.Body) != string(first.Body) {
			t.Errorf("not idempotent:\n%s\n%s", first.Body, again.Body)
		}
		c.intent("0x"+strings.Repeat("ab", 32), nil).Want(http.StatusConflict)
		c.locked(hash, 0)
		sent := c.executes(tx)
		c.settles()
		p := c.paid(hash)
		if a := c.attempt("safe_tx"); a.Safe.ExecutedBy != sent || a.Payer != c.safe.Address.String() || p.Transfers[0].Evidence.Tx != sent {
			t.Errorf("executed by %s: %+v", sent, a)
		}
		if got := c.Chain.Balance(c.Chain.USDC(), webtest.Payee); got.Int64() != 12_340_000 {
			t.Errorf("the payee has %v", got)
		}
		if left := c.Chain.Allowance(c.Chain.USDC(), c.safe.Address.String(), c.Chain.ERC20FeeProxy()); left.Sign() != 0 {
			t.Errorf("%v stays allowed", left)
		}
	})
}

// With the transaction the server proves that it pays this, and what it does not
// do is refused.
func TestASafePaysWithItsTransaction(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{})
		tx, hash := c.proposes(0)
		foreign := tx
		foreign.To, foreign.Operation, foreign.Data = addressOf(t, c.Chain.USDC()), safe.OpCall, []byte{1, 2, 3, 4}
		body := c.intent(c.safe.Hash(foreign).String(), c.whole(foreign)).Want(http.StatusBadRequest).JSON()
		if !strings.Contains(fmt.Sprint(body), "belong to this payment") {
			t.Errorf("a foreign transaction: %v", body)
		}
		c.intent("0x"+strings.Repeat("ab", 32), c.whole(tx)).Want(http.StatusBadRequest)
		deadline := time.Now().Add(time.Hour).Unix()
		more := c.whole(tx)
		more["safePaymentDeadline"] = deadline
		c.intent(hash, more).Want(http.StatusOK)
		c.locked(hash, deadline)
		if a := c.attempt("safe_tx"); a.Safe.Nonce == nil || *a.Safe.Nonce != 0 || len(a.Safe.Signed) != 1 || a.Safe.Threshold != 2 || len(a.Safe.Owners) != 3 {
			t.Errorf("known of it: %+v", a.Safe)
		}
		c.executes(tx)
		c.settles()
		c.paid(hash)
	}, safe.V141)
}

// A call that fails and uses the nonce up fails the payment; money that comes
// after is late.
func TestASafeFailsToPay(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{})
		tx, _ := c.proposes(1)
		tx.SafeTxGas = big.NewInt(200_000)
		hash := c.safe.Hash(tx).String()
		c.intent(hash, c.whole(tx)).Want(http.StatusOK)
		c.drains(0)
		c.executes(tx)
		if c.Load(c.token).Standing.State != payment.Open {
			t.Error("it is over before its block is final")
		}
		c.settles()
		c.failed(hash, "safe_execution_failed")
		c.PayOnChain(c.Chain.Wallet, c.token, 12_340_000)
		c.Chain.Mine(webtest.Confirmations)
		c.told("payment.late")
	})
}

// What the Safe's owners reject is no failure of the payment.
func TestASafeRejects(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{})
		tx, hash := c.proposes(0)
		c.intent(hash, c.whole(tx)).Want(http.StatusOK)
		c.executes(c.safe.Reject(0))
		c.settles()
		c.ends(hash, payment.Abandoned, "safe_transaction_replaced")
		if body := c.told("payment.failed"); body["subStatus"] != "safe_transaction_replaced" {
			t.Errorf("told %v", body)
		}
		c.API(http.MethodGet, c.at(), "").Want(http.StatusOK)
		tx, hash = c.proposes(1)
		c.intent(hash, c.whole(tx)).Want(http.StatusOK)
		c.executes(tx)
		c.settles()
		c.paid(hash)
	})
}

// jumps makes the chain's next blocks so much later than they would be.
func (c *club) jumps(by time.Duration) {
	c.safe.Chain.SetClock(func() time.Time { return time.Now().Add(by) })
}

// By the chain's clock it is too late, whoever executes after.
func TestASafeIsTooLate(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{})
		tx, hash := c.proposes(0)
		more := c.whole(tx)
		more["safePaymentDeadline"] = time.Now().Add(time.Minute).Unix()
		c.intent(hash, more).Want(http.StatusOK)
		c.jumps(2 * time.Minute)
		c.settles()
		c.failed(hash, "safe_deadline_passed")
		sent := c.executes(tx)
		c.settles()
		if body := c.told("payment.late"); body["txHash"] != sent || body["payerAddress"] != c.safe.Address.String() {
			t.Errorf("told %v", body)
		}
	}, safe.V141)
}

// Across chains the Safe's own transaction is what the bridge carries.
func TestASafePaysAcrossChains(t *testing.T) {
	each(t, func(t *testing.T, v safe.Version) {
		c := newClub(t, v, webtest.Options{Routing: true})
		body := c.asks().Want(http.StatusOK).JSON()
		meta, _ := body["metadata"].(map[string]any)
		deadline, _ := meta["safePaymentDeadline"].(float64)
		if at := time.Unix(int64(deadline), 0); at.Before(time.Now()) || at.After(time.Now().Add(24*time.Hour)) {
			t.Errorf("the deadline is %s", at)
		}
		tx, hash := c.proposes(0)
		more := c.whole(tx)
		more["safePaymentDeadline"] = int64(deadline)
		c.intent(hash, more).Want(http.StatusOK)
		c.locked(hash, 0)
		sent := c.executes(tx)
		c.settles()
		c.ends(hash, payment.Executed, "")
		c.Await("the bridge", func() bool {
			a := c.attempt("bridge")
			return a != nil && a.Stage == payment.Proven && a.Handle == sent
		})
		arrived := c.Chain.Other.Bridge(c.Second, sent, false)
		c.Chain.Mine(webtest.Confirmations + 1)
		p := c.paid(hash)
		if s := p.Transfers[0].Evidence.Source; s.Tx != sent || s.Chain != asset.SandboxArbitrum || p.Transfers[0].Evidence.Tx != arrived {
			t.Errorf("it came from %+v", s)
		}
	}, safe.V130, safe.V150)
}

// A Safe that is nobody's on the payment's chain cannot pay from another one.
func TestASafeThatIsOnOneChainOnly(t *testing.T) {
	c := newClub(t, safe.V141, webtest.Options{Routing: true})
	alone := safetest.Deploy(t, c.Second, safetest.Options{Version: safe.V141, Salt: 12345})
	c.Second.Transfer(c.Second.USDC(), alone.Address.String(), big.NewInt(held))
	c.Second.Mine(1)
	c.safe = alone
	if body := c.asks().Want(http.StatusBadRequest).JSON(); !strings.Contains(fmt.Sprint(body), "same owners") {
		t.Errorf("%v", body)
	}
}

// Who pays native currency as a Safe is the Safe, alone or in a batch of payments,
// and not whoever sends the transaction; an account is itself.
func TestASafePaysNativeCurrency(t *testing.T) {
	c := newClub(t, safe.V141, webtest.Options{})
	native, _ := c.App.Checkout.Book().TokenAt(asset.SandboxBase, asset.Address{})
	one := fmt.Sprintf(`{"payee":%q,"paymentCurrency":%q,"amount":"0.000000000000001"}`, webtest.Payee, native.ID)
	for nonce, requests := range []string{one, one + "," + strings.Replace(one, webtest.Payee, c.Chain.Other.Address(), 1)} {
		c.token = c.Create(`{"requests":[` + requests + `]}`)
		tx, hash := c.proposes(uint64(nonce))
		c.intent(hash, map[string]any{"token": "ETH"}).Want(http.StatusOK)
		c.executes(tx)
		c.settles()
		for i, x := range c.paid(hash).Transfers {
			if x.Evidence.Payer != c.safe.Address.String() {
				t.Errorf("%d: the payer is %s", i, x.Evidence.Payer)
			}
		}
	}
	// An account that pays is itself, and a Safe that calls somebody who pays has not
	// paid: then it is whoever sent the transaction.
	for name, pay := range map[string]func(){
		"an account": func() { c.PayOnChain(c.Chain.Wallet, c.token, 1000) },
		"somebody whom a Safe calls": func() {
			tx, _ := c.proposes(2)
			c.executes(safe.Tx{To: c.forwarder(tx), Value: tx.Value, Nonce: 2})
		},
	} {
		c.token = c.Create(`{"requests":[` + one + `]}`)
		pay()
		c.settles()
		if p := c.AwaitState(c.token, payment.Paid); p.Transfers[0].Evidence.Payer != c.Chain.Address() {
			t.Errorf("%s: the payer is %s", name, p.Transfers[0].Evidence.Payer)
		}
	}
}

// forwarder is a contract that makes one call, with whatever value it gets.
func (c *club) forwarder(tx safe.Tx) asset.Address {
	c.t.Helper()
	size := []byte{0x61, byte(len(tx.Data) >> 8), byte(len(tx.Data))} // PUSH2
	runtime := slices.Concat(size, []byte{0x60, 39, 0x5f, 0x39},      // CODECOPY of what follows to 0
		[]byte{0x5f, 0x5f}, size, []byte{0x5f, 0x34, 0x73}, tx.To[:], []byte{0x5a, 0xf1, 0x50, 0x00}, // CALL with CALLVALUE, POP, STOP
		tx.Data)
	creation := slices.Concat([]byte{0x61, byte(len(runtime) >> 8), byte(len(runtime)), 0x80, 0x60, 12, 0x60, 0, 0x39, 0x60, 0, 0xf3}, runtime)
	at, made := c.Chain.Deploy(creation)
	c.Chain.Mine(1)
	if r := c.Chain.Receipt(made); r == nil || r.Status != 1 {
		c.t.Fatalf("%+v", r)
	}
	return addressOf(c.t, at)
}

// Whatever happens while no server runs is found by the next one.
func TestSafesOutliveTheServer(t *testing.T) {
	announced := func(c *club) (safe.Tx, string) {
		tx, hash := c.proposes(0)
		c.intent(hash, c.whole(tx)).Want(http.StatusOK)
		return tx, hash
	}
	for name, test := range map[string]func(c *club){
		"waiting": func(c *club) {
			tx, hash := announced(c)
			c.restart(func() {})
			c.locked(hash, 0)
			c.executes(tx)
			c.settles()
			c.paid(hash)
		},
		"executed": func(c *club) {
			tx, hash := announced(c)
			c.restart(func() { c.executes(tx); c.settles() })
			c.paid(hash)
		},
		"executed and not final": func(c *club) {
			tx, hash := announced(c)
			c.executes(tx)
			c.restart(func() {})
			c.settles()
			c.paid(hash)
		},
		"failed": func(c *club) {
			tx, _ := c.proposes(1)
			tx.SafeTxGas = big.NewInt(200_000)
			hash := c.safe.Hash(tx).String()
			c.intent(hash, c.whole(tx)).Want(http.StatusOK)
			c.restart(func() { c.drains(0); c.executes(tx); c.settles() })
			c.failed(hash, "safe_execution_failed")
			c.restart(func() {})
			c.API(http.MethodGet, c.at(), "").Want(http.StatusForbidden)
		},
		"replaced": func(c *club) {
			_, hash := announced(c)
			c.restart(func() { c.executes(c.safe.Reject(0)); c.settles() })
			c.ends(hash, payment.Abandoned, "safe_transaction_replaced")
			c.API(http.MethodGet, c.at(), "").Want(http.StatusOK)
		},
		"too late": func(c *club) {
			tx, hash := c.proposes(0)
			more := c.whole(tx)
			more["safePaymentDeadline"] = time.Now().Add(time.Minute).Unix()
			c.intent(hash, more).Want(http.StatusOK)
			c.restart(func() { c.jumps(2 * time.Minute); c.settles() })
			c.failed(hash, "safe_deadline_passed")
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(newClub(t, safe.V150, webtest.Options{})) })
	}
}

// A node that is down while the owners execute keeps nothing from being found.
func TestANodeIsDownWhileASafeExecutes(t *testing.T) {
	c := newClub(t, safe.V130, webtest.Options{})
	tx, hash := c.proposes(0)
	c.intent(hash, nil).Want(http.StatusOK)
	c.Chain.Fail(http.StatusServiceUnavailable)
	c.executes(tx)
	c.settles()
	c.Chain.Behave()
	c.paid(hash)
}

// The Transaction Service tells what a hash alone does not, and is asked by nobody
// who has not set it up.
func TestTheSafeServiceHelps(t *testing.T) {
	service := safetest.NewService()
	c := newClub(t, safe.V150, webtest.Options{SafeService: service})
	tx, hash := c.proposes(0)
	h, err := official.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	entry := safetest.Entry{Chain: asset.SandboxBase, Safe: c.safe.Address, Tx: tx, Required: 2, Agreements: []safetest.Agreement{
		{Owner: addressOf(t, c.Chain.Address()), Signature: c.Chain.Wallet.SignDigest(h)},
	}}
	if _, err := service.Put(entry); err != nil {
		t.Fatal(err)
	}
	c.intent(hash, nil).Want(http.StatusOK)
	if a := c.attempt("safe_tx"); a.Safe.Nonce == nil || len(a.Safe.Signed) != 1 || a.Safe.Signed[0] != c.Chain.Address() {
		t.Errorf("known of it: %+v", a.Safe)
	}
	service.Behave(safetest.Behaviour{Status: http.StatusBadGateway})
	c.executes(tx)
	c.settles()
	c.paid(hash)
}

// While Safes are switched off, what is announced waits for them to come back.
func TestSafesThatAreSwitchedOff(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{})
	if err := w.App.Store.Enqueue(t.Context(), job.Job{Kind: checkout.SafeTrackKind, Args: "01KE0000000000000000000000 safe:1:0x", RunAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var given []job.Buried
	w.Await("somebody who knows the job", func() (done bool) {
		var err error
		if given, err = w.App.Store.Buried(t.Context(), "", 5); err != nil {
			t.Fatal(err)
		}
		return len(given) > 0
	})
	if !strings.Contains(given[0].Why, "not") || strings.Contains(given[0].Why, "handler") || given[0].Attempt > 1 {
		t.Errorf("given up: %+v", given[0])
	}
}
