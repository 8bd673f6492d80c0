package app_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// club is a payment that a Safe is to make, and a merchant who listens.
type club struct {
	*webtest.World
	t       *testing.T
	options webtest.Options
	token   string
	safe    *safetest.Safe // where it signs
	from    string         // what the API is asked beside, such as "&chain=ARBITRUM&token=USDC"
	hooks   *listener
}

// held is what a Safe of these tests has of USDC, and in wei, on each chain.
const held = 50_000_000

func newClub(t *testing.T, v safe.Version, o webtest.Options) *club {
	t.Helper()
	o.Safes, o.Database = true, "sqlite:"+t.TempDir()+"/test.db"
	w := webtest.NewWith(t, o)
	c := &club{World: w, t: t, options: o, hooks: listen(t)}
	w.AddEndpoint(c.hooks.URL, "whsec_"+strings.Repeat("ab", 16))
	first, second := w.Safe(v, held)
	if c.safe = first; second != nil {
		c.safe, c.from = second, "&chain=ARBITRUM&token=USDC"
	}
	c.Chain.Mine(webtest.Confirmations)
	c.token = w.CreatePayment("12.34")
	return c
}

// restart stops the server, lets something happen without it, and starts another
// one on the same database.
func (c *club) restart(meanwhile func()) {
	c.t.Helper()
	c.World.Stop()
	meanwhile()
	o := c.options
	o.Chain, o.Second, o.Router = c.Chain, c.Second, c.Router
	key, merchant := c.APIKey, c.Merchant
	c.World = webtest.NewWith(c.t, o)
	c.APIKey, c.Merchant = key, merchant
}

func (c *club) at() string { return "/v2/secure-payments/" + c.token }

// asks asks for the calldata as somebody with the Safe does.
func (c *club) asks() webtest.Response {
	c.t.Helper()
	return c.API(http.MethodGet, c.at()+"/pay?wallet="+c.safe.Address.String()+"&isSafe=true"+c.from, "")
}

// proposes makes the Safe's transaction of what the API hands out.
func (c *club) proposes(nonce uint64) (safe.Tx, string) {
	c.t.Helper()
	var calls []rail.Call
	body := c.asks().Want(http.StatusOK).JSON()
	transactions, _ := body["transactions"].([]any)
	if batch, ok := body["batchPaymentTransaction"]; ok {
		approvals, _ := body["ERC20ApprovalTransactions"].([]any)
		transactions = append(approvals, batch)
	}
	for _, x := range transactions {
		m, _ := x.(map[string]any)
		to, data, value := text(m["to"]), strings.TrimPrefix(text(m["data"]), "0x"), strings.TrimPrefix(text(m["value"]), "0x")
		raw, err := hex.DecodeString(data)
		wei, ok := new(big.Int).SetString(value, 16)
		if err != nil || !ok {
			c.t.Fatalf("transaction %v", m)
		}
		calls = append(calls, rail.Call{To: addressOf(c.t, to), Data: raw, Value: wei})
	}
	id := asset.ChainID(c.safe.Chain.ID())
	account := safe.Account{Chain: id, Address: c.safe.Address}
	for _, k := range safe.At(id).Contracts(id, safe.MultiSendCallOnly) {
		if k.Version == c.safe.Version && account.MultiSend.IsZero() {
			account.MultiSend = k.Address
		}
	}
	tx, err := account.Batch(calls, nonce)
	if err != nil {
		c.t.Fatal(err)
	}
	return tx, c.safe.Hash(tx).String()
}

func text(v any) string { s, _ := v.(string); return s }

func addressOf(t *testing.T, s string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// intent is the seed's, with more members if there are any.
func (c *club) intent(hash string, more map[string]any) webtest.Response {
	c.t.Helper()
	body := map[string]any{"safeTxHash": hash, "chain": "BASE", "token": "USDC"}
	if c.Second != nil {
		body["chain"] = "ARBITRUM"
	}
	for k, v := range more {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.API(http.MethodPost, c.at()+"/intent", string(b))
}

// whole is the intent's additions: the transaction, and one owner's signature.
func (c *club) whole(tx safe.Tx) map[string]any {
	c.t.Helper()
	b, err := tx.MarshalJSON()
	if err != nil {
		c.t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(b, &members); err != nil {
		c.t.Fatal(err)
	}
	signature := c.safe.Chain.Other.SignDigest(c.safe.Hash(tx))
	return map[string]any{"safeTx": members, "safeSignatures": []string{"0x" + hex.EncodeToString(signature)}, "payerAddress": c.safe.Address.String()}
}

// executes has the Safe's owners do something, and the chain take it.
func (c *club) executes(tx safe.Tx) string {
	c.t.Helper()
	sent := c.safe.Execute(tx)
	c.safe.Chain.Mine(1)
	if r := c.safe.Chain.Receipt(sent); r == nil || r.Status != 1 {
		c.t.Fatalf("not executed: %+v", r)
	}
	return sent
}

// settles makes what happened final.
func (c *club) settles() { c.safe.Chain.Mine(webtest.Confirmations) }

// drains has the Safe give away what it has, so that a payment fails.
func (c *club) drains(nonce uint64) {
	c.t.Helper()
	data, err := hex.DecodeString("a9059cbb" + strings.Repeat("0", 24) + c.safe.Chain.Address()[2:] + fmt.Sprintf("%064x", held))
	if err != nil {
		c.t.Fatal(err)
	}
	c.executes(safe.Tx{To: addressOf(c.t, c.safe.Chain.USDC()), Data: data, Nonce: nonce})
}

func (c *club) attempt(kind string) *payment.Attempt {
	c.t.Helper()
	p := c.Load(c.token)
	if i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Kind == kind }); i >= 0 {
		return &p.Attempts[i]
	}
	return nil
}

// ends waits for the end of the newest Safe transaction.
func (c *club) ends(hash string, stage payment.AttemptStage, reason string) {
	c.t.Helper()
	var last payment.Attempt
	c.Await(fmt.Sprintf("the Safe transaction to be %s for %q", stage, reason), func() bool {
		for _, a := range c.Load(c.token).Attempts {
			if a.Handle == hash {
				last = a
			}
		}
		return last.Stage == stage
	})
	if last.Reason != reason {
		c.t.Errorf("it is %s for %q, want %q", last.Stage, last.Reason, reason)
	}
}

// locked expects the seed's 423, on the look and for calldata.
func (c *club) locked(hash string, deadline int64) {
	c.t.Helper()
	for _, path := range []string{c.at(), c.at() + "/pay?wallet=" + c.safe.Address.String() + "&isSafe=true" + c.from, c.at() + "/pay?wallet=" + c.Chain.Address()} {
		body := c.API(http.MethodGet, path, "").Want(http.StatusLocked).JSON()
		statuses, _ := body["requestStatuses"].([]any)
		if body["message"] != "Secure payment is in progress" || body["status"] != "pending" || len(statuses) != 1 {
			c.t.Fatalf("%s: %v", path, body)
		}
		s, _ := statuses[0].(map[string]any)
		want := map[string]any{
			"requestId": c.Load(c.token).Terms.Requests[0].ID, "hasBeenPaid": false, "safeTxHash": hash, "chainId": float64(c.safe.Chain.ID()),
		}
		if deadline != 0 {
			want["safePaymentDeadline"] = float64(deadline)
		}
		for k, v := range want {
			if s[k] != v {
				c.t.Errorf("%s: %s is %v, want %v", path, k, s[k], v)
			}
		}
	}
}

// told waits for a webhook and returns its body.
func (c *club) told(event string) map[string]any {
	c.t.Helper()
	var body map[string]any
	c.Await("the webhook "+event, func() bool { body = c.hooks.heard(event, c.token); return body != nil })
	return body
}

// paid expects a payment by the Safe, told to everybody.
func (c *club) paid(hash string) *payment.Payment {
	c.t.Helper()
	p := c.AwaitState(c.token, payment.Paid)
	// Once it is paid nobody is in a hurry to look again.
	for _, a := range p.Attempts {
		if _, err := c.App.Checkout.TrackSafe(c.t.Context(), c.token+" "+a.Key); err != nil {
			c.t.Fatal(err)
		}
	}
	c.ends(hash, payment.Executed, "")
	if got := p.Transfers[0].Evidence.Payer; got != c.safe.Address.String() {
		c.t.Errorf("the payer is %s, want the Safe %s", got, c.safe.Address)
	}
	c.API(http.MethodGet, c.at(), "").Want(http.StatusConflict)
	if body := c.told("payment.confirmed"); body["payerAddress"] != c.safe.Address.String() || body["txHash"] != p.Transfers[0].Evidence.Tx {
		c.t.Errorf("told %v", body)
	}
	return p
}

// failed expects a payment that is over for a reason.
func (c *club) failed(hash, reason string) {
	c.t.Helper()
	c.ends(hash, payment.Abandoned, reason)
	c.AwaitState(c.token, payment.Failed)
	if body := c.API(http.MethodGet, c.at(), "").Want(http.StatusForbidden).JSON(); body["status"] != "failed" {
		c.t.Errorf("it is %v", body)
	}
	if body := c.told("payment.failed"); body["subStatus"] != reason {
		c.t.Errorf("told %v", body)
	}
}

// listener is a merchant's endpoint.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []map[string]any
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var body map[string]any
		if err != nil || json.Unmarshal(b, &body) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bodies = append(l.bodies, body)
	}))
	t.Cleanup(l.Close)
	return l
}

// heard is the newest body of a payment's event, nil if there is none.
func (l *listener) heard(event, token string) (last map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.bodies {
		if b["event"] == event && b["securePaymentToken"] == token {
			last = b
		}
	}
	return last
}

// each runs a test with a Safe of every version, or of some.
func each(t *testing.T, test func(t *testing.T, v safe.Version), only ...safe.Version) {
	if len(only) == 0 {
		only = safe.Versions()
	}
	for _, v := range only {
		t.Run(string(v), func(t *testing.T) { t.Parallel(); test(t, v) })
	}
}

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
