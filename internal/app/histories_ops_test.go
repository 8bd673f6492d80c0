package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strconv"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/gasless"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit/deposittest"
	"quittance/internal/userop"
)

// playedOp is an operation without gas of a payment, and how a bundle executes it.
type playedOp struct {
	hash    string
	payment payment.ID
	account asset.Address
	nonce   uint64
	success bool
}

// bundles are the real looks at a chain; what is handed in is read and taken here.
type bundles struct {
	*gasless.Service
	course *course
}

// Parse implements checkout.Gasless: the played operations are their hashes.
func (b bundles) Parse(_ asset.ChainID, op []byte) (checkout.GaslessOp, error) {
	return checkout.GaslessOp{Hash: string(op), JSON: op}, nil
}

// Ask implements checkout.Gasless: the bundler takes all, and its answer may get lost.
func (b bundles) Ask(context.Context, asset.ChainID, checkout.GaslessQuestion) ([]byte, error) {
	if b.course.rnd.IntN(2) == 0 {
		return nil, fault.New(fault.Unavailable, "bundler_unavailable", "No answer.")
	}
	return []byte(`""`), nil
}

// gas is what a server knows of operations.
func (c *course) gas(db interface {
	Cursor(context.Context, asset.ChainID) (checkout.Cursor, error)
}, nodes map[asset.ChainID]chain.Batcher) checkout.Gasless {
	c.t.Helper()
	looks, err := gasless.New(gasless.Config{
		Table: userop.At(historyChain), Nodes: nodes, Registry: official.Default(), Log: slog.New(slog.DiscardHandler),
		Chains: map[asset.ChainID]gasless.Chain{historyChain: {
			Provider: gasless.ProviderERC7677, Name: "Played", BundlerURL: "http://127.0.0.1:1/", MaxFeePerGas: big.NewInt(1e9), MaxCost: big.NewInt(1e15),
		}},
		Final: func(id asset.ChainID) uint64 {
			cur, err := db.Cursor(c.ctx, id)
			if err != nil {
				return 0
			}
			return cur.Final
		},
	})
	c.must(err)
	return bundles{looks, c}
}

// operate has somebody hand in an operation that pays, as it was granted: of one of a few
// accounts, whose operations take each other's nonces.
func (c *course) operate(i int) {
	c.t.Helper()
	s := c.servers[i]
	fits := slices.DeleteFunc(slices.Clone(c.owed), func(id payment.ID) bool {
		p := c.load(id)
		return len(p.Terms.Requests) != 1 || p.Terms.Requests[0].Asset != historyUSDC || p.Standing.State != payment.Open
	})
	if len(fits) == 0 {
		return
	}
	p := c.load(fits[c.rnd.IntN(len(fits))])
	c.nonce++
	now, owner, hash := c.chain.now(), asset.Address{0: 0xee, 19: byte(1 + c.rnd.IntN(2))}, deposittest.Digest("op", c.seed, c.nonce)
	kind := userop.At(historyChain).Kinds(historyChain)[0]
	o := playedOp{hash: hash, payment: p.ID, account: kind.Account(historyChain, owner).Address}
	o.nonce = c.chain.uses(o.account)
	c.must(s.db.Write(c.ctx, func(tx checkout.Tx) error {
		return tx.PutGrant(c.ctx, checkout.Grant{
			ID: payment.NewULID(now), Payment: p.ID, Chain: historyChain, Owner: owner, OpHash: hash, Wei: big.NewInt(1e9), At: now, Account: o.account,
			Op: &payment.Op{Owner: owner.String(), Nonce: fmt.Sprint(o.nonce), Token: historyUSDC, Amount: p.Terms.Requests[0].Due},
		})
	}))
	by := checkout.GaslessAsker{Wallet: owner}
	_, err := s.service.AnswerGasless(c.ctx, p, by, checkout.GaslessQuestion{Kind: checkout.GaslessSend, Method: userop.MethodSend, Op: []byte(hash)})
	c.say("operation %.8s of %.6x with nonce %d for %s: %v", hash, o.account, o.nonce, p.ID, err)
	switch {
	case err == nil, fault.Is(err, fault.Unavailable):
		c.ops = append(c.ops, o)
	case s.dying.dead.Load(), fault.Is(err, fault.Conflict), fault.Is(err, fault.Forbidden), fault.Is(err, fault.NotFound), fault.Is(err, fault.Limited):
	default:
		c.fatal("an operation of %s: %v", p.ID, err)
	}
}

// bundle is a transaction that executes one of the operations that were handed in, if its
// nonce is the account's next: well, or so that its calls fail.
func (c *course) bundle(b *minedBlock) {
	o := c.ops[c.rnd.IntN(len(c.ops))]
	o.success = c.rnd.IntN(4) > 0
	c.nonce++
	tx := payTx{hash: deposittest.Digest("bundle", c.seed, c.nonce), op: &o}
	if r := c.load(o.payment).Terms.Requests[0]; o.success {
		tx.events = []proxyEvent{{topic: r.Topic, token: c.chain.token, to: r.Payee, amount: r.Due.Int64()}}
	}
	b.paid = append(b.paid, tx)
}

// differsOps looks at a payment's operations once more and says which is not as the chain
// has it in the end, "" if none is.
func (c *course) differsOps(p *payment.Payment) string {
	c.t.Helper()
	for _, a := range p.Attempts {
		_, err := c.servers[0].service.TrackGasless(c.ctx, string(p.ID)+" "+a.Key)
		c.must(err)
	}
	log, err := c.servers[0].db.Events(c.ctx, p.ID)
	c.must(err)
	for _, a := range c.load(p.ID).Attempts {
		want, by := c.chain.fate(a)
		if got := fmt.Sprint(a.Stage, " ", a.Reason); got != want || by != "" && a.Op.ExecutedBy != by {
			return fmt.Sprintf("the operation %.8s of %s is %s by %.8s, and the chain has it %s by %.8s", a.Handle, p.ID, got, a.Op.ExecutedBy, want, by)
		}
		told := 0
		for _, e := range log {
			if e.Kind == payment.EventBroken && e.Fields[payment.FieldTx] == a.Handle {
				told++
			}
		}
		if told > 1 || told > 0 && a.Stage != payment.Abandoned {
			c.fatal("the operation %.8s of %s is %s and was told %d times to have come to nothing", a.Handle, p.ID, a.Stage, told)
		}
	}
	return ""
}

// fate is what the chain, all of it, says of an operation, and the transaction that did it.
func (c *courseChain) fate(a payment.Attempt) (stage, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stage = fmt.Sprint(payment.Announced, " ")
	for _, b := range c.sim.Blocks {
		for _, tx := range c.paid[b.Hash] {
			switch o := tx.op; {
			case o == nil || o.account.String() != a.Payer:
			case o.hash == a.Handle && o.success:
				return fmt.Sprint(payment.Executed, " "), tx.hash
			case o.hash == a.Handle:
				return fmt.Sprint(payment.Abandoned, " ", payment.ReasonOpFailed), tx.hash
			case fmt.Sprint(o.nonce) == a.Op.Nonce:
				stage, by = fmt.Sprint(payment.Abandoned, " ", payment.ReasonOpReplaced), tx.hash
			}
		}
	}
	return stage, by
}

// uses is how many operations of an account the chain has executed: its next nonce.
func (c *courseChain) uses(account asset.Address) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used(account, c.sim.Head().Number)
}

func (c *courseChain) used(account asset.Address, upTo uint64) (n uint64) {
	for _, b := range c.sim.Blocks[:upTo+1] {
		for _, tx := range c.paid[b.Hash] {
			if tx.op != nil && tx.op.account == account {
				n++
			}
		}
	}
	return n
}

// takes reports whether the EntryPoint would have a transaction in the newest block.
func (c *courseChain) takes(tx payTx) bool {
	return tx.op == nil || tx.op.nonce == c.used(tx.op.account, c.sim.Head().Number)
}

// ended is what the EntryPoint says of an operation.
func (c *courseChain) ended(b *deposittest.Block, tx payTx, index uint) chain.Log {
	success := map[bool]int64{true: 1}[tx.op.success]
	topics := []string{userop.TopicOperation, tx.op.hash, topicOfAddress(tx.op.account), topicOfAddress(asset.Address{19: 0x99})}
	data := slices.Concat(word(int64(tx.op.nonce)), word(success), word(1), word(1))
	return c.log(b, tx.hash, index, userop.EntryPoint, topics, data)
}

// nonceAt answers EntryPoint's getNonce; false for other calls.
func (c *courseChain) nonceAt(args []any) (any, bool, error) {
	msg, _ := args[0].(map[string]any)
	if msg["to"] != userop.EntryPoint.Lower() {
		return nil, false, nil
	}
	at := c.sim.Head().Number
	if said := fmt.Sprint(args[1]); said != string(chain.Latest) {
		var err error
		if at, err = strconv.ParseUint(said[2:], 16, 64); err != nil || at > c.sim.Head().Number {
			return nil, true, fmt.Errorf("there is no block %s", said)
		}
	}
	input, err := hex.DecodeString(fmt.Sprint(msg["input"])[2:])
	if err != nil || len(input) < 36 {
		return nil, true, fmt.Errorf("no call: %v", msg["input"])
	}
	return "0x" + hex.EncodeToString(word(int64(c.used(asset.Address(input[16:36]), at)))), true, nil
}

// asked is what a question for logs wants: any of the addresses, and of each topic any.
type asked struct {
	FromBlock, ToBlock string
	Address            oneOrMore
	Topics             []oneOrMore
}

// oneOrMore is a string, several, or null for all.
type oneOrMore []string

// UnmarshalJSON takes all three.
func (o *oneOrMore) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(o))
}

func (a asked) wants(l chain.Log) bool {
	for i, t := range a.Topics {
		if len(t) > 0 && (i >= len(l.Topics) || !slices.Contains(t, l.Topics[i])) {
			return false
		}
	}
	return slices.Contains(a.Address, l.Address.Lower())
}
