package main

import (
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/collect"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/sweep"
)

// sweepCommand moves what sits on deposit addresses. Those below that need the key open
// neither the database nor a connection: see sweep_offline.go.
func sweepCommand(o *options) *cobra.Command {
	return group("sweep", "See what sits on deposit addresses, and move it with a key that this server never sees",
		sweepList(o), sweepPlan(o), sweepSign(o), sweepExport(o), sweepAttach(o), sweepSend(o), sweepKey(o))
}

// picked are the flags that say which addresses are meant.
type picked struct{ merchant, branch string }

func (p *picked) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.merchant, "merchant", "", "only the keys of this merchant")
	c.Flags().StringVar(&p.branch, "key-id", "", "only this key, by its id in `quittance deposits list`")
}

type amountWire struct {
	Asset  string `json:"asset"`
	Amount string `json:"amount"` // whole units
	Units  string `json:"units"`  // base units
}

func amountOf(t asset.Token, units *big.Int) amountWire {
	return amountWire{Asset: string(t.ID), Amount: money.Format(units, t.Decimals), Units: units.String()}
}

type heldWire struct {
	Network   string       `json:"network"`
	Key       string       `json:"key"`
	Address   string       `json:"address"`
	Path      string       `json:"path"`
	Holds     []amountWire `json:"holds"`
	Payment   payment.ID   `json:"payment,omitempty"`
	Alias     string       `json:"alias,omitempty"`
	Reference string       `json:"reference,omitempty"`
	State     string       `json:"state,omitempty"`
	Open      bool         `json:"open"` // somebody may pay more, or it is not final yet
}

func heldOf(h collect.Held) heldWire {
	w := heldWire{Network: h.Network.Network, Key: h.Branch, Address: h.Address.String(), Path: h.Path, Open: h.Open()}
	if h.Native.Sign() > 0 {
		w.Holds = append(w.Holds, amountOf(h.Network.Native, h.Native))
	}
	for _, t := range h.Tokens {
		w.Holds = append(w.Holds, amountOf(t.Token, t.Units))
	}
	if p := h.Payment; p != nil {
		w.Payment, w.Alias, w.Reference, w.State = p.ID, p.Terms.Alias, p.Terms.Reference, string(p.Standing.State)
	}
	return w
}

// line is a holding for people.
func (w heldWire) line() string {
	var holds []string
	for _, x := range w.Holds {
		holds = append(holds, x.Amount+" "+x.Asset)
	}
	whose := "no payment's"
	if w.Payment != "" {
		whose = string(w.Payment) + " " + w.State
	}
	if w.Open {
		whose += " (may still change)"
	}
	return fmt.Sprintf("%s  %s  %s  %s", w.Address, w.Path, strings.Join(holds, ", "), whose)
}

type totalWire struct {
	Network string `json:"network"`
	amountWire
	Addresses int `json:"addresses"`
}

// totals adds up holdings by network and asset, in the order of the networks.
func totals(held []collect.Held) []totalWire {
	var out []totalWire
	sums := map[asset.ID]*big.Int{}
	add := func(network string, t asset.Token, units *big.Int) {
		i := slices.IndexFunc(out, func(w totalWire) bool { return w.Asset == string(t.ID) })
		if i < 0 {
			i, sums[t.ID] = len(out), new(big.Int)
			out = append(out, totalWire{Network: network})
		}
		sums[t.ID].Add(sums[t.ID], units)
		out[i].amountWire = amountOf(t, sums[t.ID])
		out[i].Addresses++
	}
	for _, h := range held {
		if h.Native.Sign() > 0 {
			add(h.Network.Network, h.Network.Native, h.Native)
		}
		for _, t := range h.Tokens {
			add(h.Network.Network, t.Token, t.Units)
		}
	}
	return out
}

func sweepList(o *options) *cobra.Command {
	var p picked
	var network string
	var least []string
	c := &cobra.Command{
		Use: "list", Args: cobra.NoArgs,
		Short: "What sits on the deposit addresses, by chain and asset, and whose payments they are",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				min, err := a.Amounts(least)
				if err != nil {
					return fmt.Errorf("--min: %w", err)
				}
				held, err := holdings(c, a, p, network)
				if err != nil {
					return err
				}
				held = worth(held, min)
				wire := struct {
					Totals    []totalWire `json:"totals"`
					Addresses []heldWire  `json:"addresses"`
				}{append([]totalWire{}, totals(held)...), []heldWire{}}
				for _, h := range held {
					wire.Addresses = append(wire.Addresses, heldOf(h))
				}
				return o.print(c.OutOrStdout(), wire, func(out io.Writer) {
					for _, t := range wire.Totals {
						_, _ = fmt.Fprintf(out, "%s  %s %s on %d addresses\n", t.Network, t.Amount, t.Asset, t.Addresses)
					}
					for _, w := range wire.Addresses {
						_, _ = fmt.Fprintf(out, "  %s  %s\n", w.Network, w.line())
					}
					if len(held) == 0 {
						_, _ = fmt.Fprintln(out, "nothing is there")
					}
				})
			})
		},
	}
	p.flags(c)
	c.Flags().StringVar(&network, "network", "", "only this chain, like base (default: all that are configured)")
	c.Flags().StringArrayVar(&least, "min", nil, "pass over less than this, like ETH-base=0.001 (repeatable)")
	return c
}

// worth leaves out amounts below those that are asked for.
func worth(held []collect.Held, least map[asset.ID]*big.Int) (out []collect.Held) {
	small := func(id asset.ID, units *big.Int) bool { return least[id] != nil && units.Cmp(least[id]) < 0 }
	for _, h := range held {
		h.Tokens = slices.DeleteFunc(h.Tokens, func(t sweep.TokenHolding) bool { return small(t.Token.ID, t.Units) })
		if small(h.Network.Native.ID, h.Native) {
			h.Native = new(big.Int)
		}
		if h.Native.Sign() > 0 || len(h.Tokens) > 0 {
			out = append(out, h)
		}
	}
	return out
}

func holdings(c *cobra.Command, a *app.Admin, p picked, network string) ([]collect.Held, error) {
	branches, err := a.PickBranches(c.Context(), payment.MerchantID(p.merchant), p.branch)
	if err != nil {
		return nil, err
	}
	networks := []string{network}
	if network == "" {
		networks = a.Networks()
	}
	var out []collect.Held
	for _, n := range networks {
		for _, b := range branches {
			held, err := a.Holdings(c.Context(), b, n)
			if err != nil {
				return nil, err
			}
			out = append(out, held...)
		}
	}
	return out, nil
}

func sweepPlan(o *options) *cobra.Command {
	var p picked
	var d collect.Draft
	var network, to, funder, file, maxFee, tip string
	var least []string
	c := &cobra.Command{
		Use: "plan", Args: cobra.NoArgs,
		Short: "Plan the transactions that move it to one address; who has the key signs them elsewhere",
		Long: "Plan the transactions that move what sits on deposit addresses to one address.\n\n" +
			"Addresses of payments that may still change are left alone: while somebody can still pay, a second\n" +
			"sweep of the same address would cost gas again, and money that is not final may yet be taken back,\n" +
			"with everything that was signed after it. --open includes them all the same.",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if d.To, err = walletAddress(to); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			if funder != "" {
				if d.Funder, err = walletAddress(funder); err != nil {
					return fmt.Errorf("--funder: %w", err)
				}
			}
			if d.MaxFee, err = gwei("--max-fee", maxFee); err != nil {
				return err
			}
			if d.Tip, err = gwei("--tip", tip); err != nil {
				return err
			}
			return o.admin(c, func(a *app.Admin) error {
				if d.Min, err = a.Amounts(least); err != nil {
					return fmt.Errorf("--min: %w", err)
				}
				if d.Branch, err = oneBranch(c, a, p); err != nil {
					return err
				}
				made, err := a.PlanSweep(c.Context(), network, d)
				if err != nil {
					return err
				}
				return o.keepPlan(c, made, file)
			})
		},
	}
	p.flags(c)
	c.Flags().StringVar(&network, "network", "", "the chain, like base")
	c.Flags().StringVar(&to, "to", "", "where everything goes")
	c.Flags().StringVar(&funder, "funder", "", "account that pays for gas where an address has none; its owner signs that")
	c.Flags().StringArrayVar(&least, "min", nil, "leave less than this where it is, like USDC-base=1.50 (repeatable)")
	c.Flags().BoolVar(&d.Open, "open", false, "include addresses of payments that may still change")
	c.Flags().BoolVar(&d.Own, "own", false, "include addresses of the key that were given to no payment")
	c.Flags().StringVar(&maxFee, "max-fee", "", "most that a unit of gas may cost, in gwei (default: twice the base fee, and the tip)")
	c.Flags().StringVar(&tip, "tip", "", "tip for a unit of gas, in gwei (default: what the chain's node proposes)")
	c.Flags().StringVarP(&file, "output", "o", "", "file to write the plan to")
	for _, name := range []string{"network", "to", "output"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

// gwei reads a price of gas, nil for "".
func gwei(flag, text string) (*big.Int, error) {
	if text == "" {
		return nil, nil
	}
	v, err := money.Parse(text, 9)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return v, nil
}

func oneBranch(c *cobra.Command, a *app.Admin, p picked) (merchant.Branch, error) {
	branches, err := a.PickBranches(c.Context(), payment.MerchantID(p.merchant), p.branch)
	if err != nil {
		return merchant.Branch{}, err
	}
	if len(branches) > 1 {
		var ids []string
		for _, b := range branches {
			ids = append(ids, b.ID)
		}
		return merchant.Branch{}, fmt.Errorf("a plan is for one key; say which with --key-id: %s", strings.Join(ids, ", "))
	}
	return branches[0], nil
}

func (o *options) keepPlan(c *cobra.Command, made collect.Plan, file string) error {
	text, err := sweep.Write(made.Plan)
	if err != nil {
		return err
	}
	if err := keepFile(file, text); err != nil {
		return err
	}
	w, err := summarize(made.Plan, text)
	if err != nil {
		return err
	}
	for _, h := range made.LeftOpen {
		w.LeftOpen = append(w.LeftOpen, heldOf(h))
	}
	for _, h := range made.LeftOwn {
		w.LeftOwn = append(w.LeftOwn, heldOf(h))
	}
	return o.print(c.OutOrStdout(), w, func(out io.Writer) {
		w.tell(out)
		for _, h := range w.LeftOpen {
			_, _ = fmt.Fprintf(out, "left, its payment may still change (--open): %s\n", h.line())
		}
		for _, h := range w.LeftOwn {
			_, _ = fmt.Fprintf(out, "left, it is no payment's (--own): %s\n", h.line())
		}
	})
}

type stepWire struct {
	Number int    `json:"number"`
	Kind   string `json:"kind"`
	From   string `json:"from"`
	Amount string `json:"amount"`
	Asset  string `json:"asset"`
	Hash   string `json:"txHash,omitempty"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

func sweepSend(o *options) *cobra.Command {
	var yes bool
	var patience time.Duration
	c := &cobra.Command{
		Use: "send PLAN SIGNED...", Args: cobra.MinimumNArgs(2),
		Short: "Send what was signed and wait for it; it may be run again, and says what is missing",
		RunE: func(c *cobra.Command, args []string) error {
			p, text, err := readPlan(args[0])
			if err != nil {
				return err
			}
			signed, err := readSigned(args[1:])
			if err != nil {
				return err
			}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			w, err := summarize(p, text)
			if err != nil {
				return err
			}
			w.tell(c.ErrOrStderr())
			if !yes {
				if err := newAsker(c).confirm("Send it?"); err != nil {
					return err
				}
			}
			var printed error
			err = app.SendSweep(c.Context(), cfg, p, signed, patience, func(s collect.Step) {
				x := stepOf(p, s)
				if err := o.print(c.OutOrStdout(), x, x.tell); err != nil {
					printed = err
				}
			})
			if err != nil {
				return err
			}
			return printed
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().DurationVar(&patience, "wait", 5*time.Minute, "how long to wait for each kind of transactions")
	return c
}

func stepOf(p sweep.Plan, s collect.Step) stepWire {
	return stepWire{
		Number: s.Number, Kind: string(s.Kind), From: s.From.String(), Amount: inWhole(p.Chain, s.Asset, s.Amount), Asset: string(s.Asset),
		Hash: s.Hash, State: string(s.State), Detail: s.Detail,
	}
}

func (x stepWire) tell(out io.Writer) {
	_, _ = fmt.Fprintf(out, "%d  %-9s %-6s %s %s from %s  %s %s\n", x.Number, x.State, x.Kind, x.Amount, x.Asset, x.From, x.Hash, x.Detail)
}

// sorted are a map's keys in order.
func sorted[V any](m map[asset.ID]V) []asset.ID { return slices.Sorted(maps.Keys(m)) }
