package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/holdings"
	"quittance/internal/official"
	"quittance/internal/store"
	"quittance/internal/webhook"
)

// Finding is one line of `quittance doctor`.
type Finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// ErrUnhealthy is returned when a check of the doctor failed.
var ErrUnhealthy = errors.New("not everything is in order")

// Doctor checks a configuration against the world and reports each check to
// report. The error is ErrUnhealthy if one of them failed.
func Doctor(ctx context.Context, cfg *config.Config, report func(Finding)) error {
	d := &doctor{report: report}
	quiet := slog.New(slog.DiscardHandler)
	s, err := production(cfg, quiet)
	if !d.check("configuration", err, "valid") {
		return ErrUnhealthy
	}
	if len(s.Chains) == 0 {
		d.check("chains", errors.New("none is configured"), "")
	}
	for _, c := range s.Chains {
		d.chain(ctx, s, c)
	}
	d.screening(ctx, s)
	d.routing(ctx, s)
	d.safe(ctx, s)
	d.gasless(ctx, s)
	d.deposits(ctx, s)
	d.framing(s)
	d.database(ctx, s)
	if d.failed {
		return ErrUnhealthy
	}
	return nil
}

type doctor struct {
	report func(Finding)
	failed bool
}

func (d *doctor) check(name string, err error, ok string) bool {
	f := Finding{Check: name, OK: err == nil, Detail: ok}
	if err != nil {
		f.Detail, d.failed = err.Error(), true
	}
	d.report(f)
	return err == nil
}

// maxSkew is how far the newest block may be from our clock. It is less than what the
// checkout takes clocks to differ by: money for a payment that was made just now must not
// look older than it.
const maxSkew = 90 * time.Second

// chain checks each endpoint of a chain by itself: a pool hides a bad one.
func (d *doctor) chain(ctx context.Context, s Setup, c ChainSetup) {
	info, _ := s.Book.Chain(c.ID)
	for i, e := range c.Endpoints {
		name := fmt.Sprintf("%s endpoint %d", info.Network, i+1)
		client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: []chain.Endpoint{e}, Log: s.Log})
		if !d.check(name, err, "usable") {
			continue
		}
		d.endpoint(ctx, s, name, c.ID, client)
		client.Close()
	}
	d.opinions(info.Network, s, c)
}

// opinions says how many endpoints of a chain can hold each other against the truth.
func (d *doctor) opinions(network string, s Setup, c ChainSetup) {
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
	if err != nil {
		return // the endpoint that is wrong is named above
	}
	defer client.Close()
	told := "all of one host, which is one opinion: what it says is believed"
	if hosts := client.Hosts(); hosts > 1 {
		told = fmt.Sprintf("%d of different hosts, %d must agree", hosts, c.Agree)
	}
	d.check(network+" endpoints", nil, told)
}

func (d *doctor) endpoint(ctx context.Context, s Setup, name string, id asset.ChainID, client *chain.Client) {
	head, err := chain.Ask(ctx, client, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err == nil && head == nil {
		err = errors.New("it has no newest block")
	}
	if !d.check(name+" answers", err, fmt.Sprintf("on chain %d", id)) {
		return
	}
	skew := time.Since(head.Time).Round(time.Second)
	var late error
	if skew > maxSkew || skew < -maxSkew {
		late = fmt.Errorf("its newest block is %s away from this machine's clock: the node lags or the clock is wrong", skew)
	}
	d.check(name+" is current", late, fmt.Sprintf("block %d, %s old", head.Number, skew))
	_, err = chain.Ask(ctx, client, chain.SimulateCall([]chain.Msg{{To: asset.Address{1}}}, chain.Latest), chain.Result.Simulated)
	d.check(name+" simulates", err, "eth_simulateV1 is there")
	d.check(name+" reads wallets", readsWallets(ctx, s, id, client), "what a wallet holds comes in one question")
	d.codes(ctx, s, name, id, client)
}

// readsWallets asks over one endpoint what an account holds of every token of a
// chain. All of them have to say, if only that it is nothing.
func readsWallets(ctx context.Context, s Setup, id asset.ChainID, client *chain.Client) error {
	var questions []checkout.HoldingQuestion
	for _, k := range s.Book.Tokens() {
		if k.Chain == id && !k.Native {
			questions = append(questions, checkout.HoldingQuestion{Token: k, Spender: unspent})
		}
	}
	held, err := holdings.New(map[asset.ChainID]chain.Batcher{id: client}, s.Registry).Holdings(ctx, unspent, id, questions)
	if err != nil {
		return err
	}
	for i, h := range held.Tokens {
		if h.Balance == nil || h.Allowance == nil {
			return fmt.Errorf("%s does not say what a wallet holds", questions[i].Token.ID)
		}
	}
	return nil
}

// codes compares the deployed code with the pins over one endpoint.
func (d *doctor) codes(ctx context.Context, s Setup, name string, id asset.ChainID, client *chain.Client) {
	codes := official.NewCodes(s.Registry, []asset.ChainID{id}, CodeReader(map[asset.ChainID]chain.Batcher{id: client}), s.Log)
	if err := codes.Refresh(ctx); err != nil {
		d.check(name+" contracts", err, "")
		return
	}
	for _, k := range s.Registry.Contracts(id) {
		c := codes.Check(id, k.Kind)
		var err error
		if c.Outcome != "passed" {
			err = errors.New(c.Detail)
		}
		d.check(fmt.Sprintf("%s %s", name, k.Kind), err, k.Address.String()+" has the pinned code")
	}
}

func (d *doctor) database(ctx context.Context, s Setup) {
	box, _, err := secrets(s.Keys)
	if !d.check("keys", err, fmt.Sprintf("%d usable", len(s.Keys))) {
		return
	}
	db, err := store.Open(ctx, store.Config{DSN: s.Database, Seal: box, Log: s.Log})
	if !d.check("database", err, "reachable") {
		return
	}
	defer func() { d.check("database closes", db.Close(), "cleanly") }()
	pending, err := db.Pending(ctx)
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("%d migrations are pending; `quittance migrate` or the next start applies them", len(pending))
	}
	if !d.check("database schema", err, "current") {
		return
	}
	d.egress(ctx, s, db)
	d.branches(ctx, s, db)
	d.links(ctx, s, db)
}

// egress checks that every webhook endpoint may be called and can be reached.
func (d *doctor) egress(ctx context.Context, s Setup, db *store.Store) {
	guard := &webhook.Guard{AllowLoopback: s.AllowLoopback}
	merchants, err := db.Merchants(ctx)
	if !d.check("merchants", err, fmt.Sprintf("%d", len(merchants))) {
		return
	}
	for _, m := range merchants {
		endpoints, err := db.Endpoints(ctx, m.ID)
		if err != nil {
			d.check("webhooks of "+m.Name, err, "")
			continue
		}
		for _, e := range endpoints {
			if e.Active {
				d.check("webhook "+e.ID, reach(ctx, guard, e.URL), e.URL+" can be reached")
			}
		}
	}
}

// Pin reads the code of every official contract of the configured chains over
// two independent endpoints each and writes the pins file.
func Pin(ctx context.Context, cfg *config.Config, path string, out io.Writer) error {
	s, err := production(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	pins := config.Pins{}
	for _, c := range s.Chains {
		info, _ := s.Book.Chain(c.ID)
		if len(c.Endpoints) < 2 {
			return fmt.Errorf("chains.%s.rpc: pinning needs two endpoints of different providers, there is %d", info.Network, len(c.Endpoints))
		}
		var readers [2]official.CodeReader
		for i := range readers {
			client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints[i : i+1], Log: s.Log})
			if err != nil {
				return fmt.Errorf("chains.%s.rpc[%d]: %w", info.Network, i, err)
			}
			defer client.Close()
			readers[i] = CodeReader(map[asset.ChainID]chain.Batcher{c.ID: client})
		}
		found, err := official.ReadPins(ctx, s.Registry, []asset.ChainID{c.ID}, readers[0], readers[1])
		if err != nil {
			return fmt.Errorf("chain %s: %w", info.Network, err)
		}
		pins[info.Network] = map[string]string{}
		for kind, hash := range found[c.ID] {
			pins[info.Network][string(kind)] = hash.String()
			if _, err := fmt.Fprintf(out, "%s %s %s\n", info.Network, kind, hash); err != nil {
				return fmt.Errorf("print pin: %w", err)
			}
		}
	}
	return config.WritePins(path, pins)
}

// reach makes the smallest call a receiver can get; any answer at all is enough.
func reach(ctx context.Context, guard *webhook.Guard, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := guard.Client().Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
