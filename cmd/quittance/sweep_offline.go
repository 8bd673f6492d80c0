package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/sweep"
	"quittance/internal/sweep/keyfile"
)

// The commands in this file run where the keys are, best on a machine without a network.
// They read no configuration, so they know no database and no node, and open neither; a
// test runs them where a connection would kill them.

// summary is what both sides of a sweep see of a plan, to compare.
type summary struct {
	Fingerprint  string        `json:"fingerprint"`
	Network      string        `json:"network"`
	ChainID      asset.ChainID `json:"chainId"`
	To           string        `json:"to"`
	Funder       string        `json:"funder,omitempty"`
	Transactions int           `json:"transactions"`
	Totals       []amountWire  `json:"totals"`
	MaxGas       amountWire    `json:"maxGas"` // what gas costs at most
	Skipped      []skippedWire `json:"skipped"`
	LeftOpen     []heldWire    `json:"leftOpen,omitempty"`
	LeftOwn      []heldWire    `json:"leftOwn,omitempty"`
}

type skippedWire struct {
	amountWire
	Address string `json:"address"`
	Why     string `json:"why"`
}

// tables are the tokens that this program knows on a chain: not what a plan says of them.
func tables(id asset.ChainID) (native asset.Token, tokens []asset.Token, err error) {
	for _, table := range []func() ([]asset.Chain, []asset.Token){asset.Real, asset.Sandbox} {
		chains, all := table()
		for _, c := range chains {
			if c.ID != id {
				continue
			}
			for _, t := range all {
				if t.Chain == id {
					tokens = append(tokens, t)
				}
			}
			return c.Native, tokens, nil
		}
	}
	return native, nil, fmt.Errorf("chain %d is not known", id)
}

func known(id asset.ChainID, of asset.ID) (asset.Token, error) {
	native, tokens, err := tables(id)
	for _, t := range append(tokens, native) {
		if err == nil && t.ID == of {
			return t, nil
		}
	}
	return asset.Token{}, fmt.Errorf("the plan has %s on chain %d, which is not known", of, id)
}

// inWhole is an amount in whole units where the asset is known, else in base units.
func inWhole(id asset.ChainID, of asset.ID, units *big.Int) string {
	t, err := known(id, of)
	if err != nil {
		return units.String() + " base units of"
	}
	return money.Format(units, t.Decimals)
}

// summarize says what a plan does. What it calls by the name of a token must be that
// token's contract, by this program's own table.
func summarize(p sweep.Plan, file []byte) (summary, error) {
	native, _, err := tables(p.Chain)
	if err != nil {
		return summary{}, err
	}
	for i, t := range p.Transfers {
		k, err := known(p.Chain, t.Asset)
		if err != nil {
			return summary{}, err
		}
		if t.Kind == sweep.Token && t.To != k.Address || (t.Kind == sweep.Token) == k.Native {
			return summary{}, fmt.Errorf("transaction %d of the plan calls %s %s, which it is not", i+1, t.To, t.Asset)
		}
	}
	w := summary{
		Fingerprint: sweep.Fingerprint(file), Network: p.Network, ChainID: p.Chain, To: p.To.String(), Transactions: len(p.Transfers),
		Totals: []amountWire{}, MaxGas: amountOf(native, p.MaxCost()), Skipped: []skippedWire{},
	}
	if !p.Funder.IsZero() {
		w.Funder = p.Funder.String()
	}
	sums := p.Totals()
	for _, id := range sorted(sums) {
		k, err := known(p.Chain, id)
		if err != nil {
			return summary{}, err
		}
		w.Totals = append(w.Totals, amountOf(k, sums[id]))
	}
	for _, s := range p.Skipped {
		w.Skipped = append(w.Skipped, skippedWire{amountWire{string(s.Asset), inWhole(p.Chain, s.Asset, s.Amount), s.Amount.String()}, s.Address.String(), s.Why})
	}
	return w, nil
}

func (w summary) tell(out io.Writer) {
	_, _ = fmt.Fprintf(out, "fingerprint  %s\nchain        %s (%d)\nreceiver     %s\n", w.Fingerprint, w.Network, w.ChainID, w.To)
	for _, t := range w.Totals {
		_, _ = fmt.Fprintf(out, "moves        %s %s\n", t.Amount, t.Asset)
	}
	_, _ = fmt.Fprintf(out, "takes        %d transactions, %s %s of gas at most\n", w.Transactions, w.MaxGas.Amount, w.MaxGas.Asset)
	if w.Funder != "" {
		_, _ = fmt.Fprintf(out, "gas money    from %s, whose owner signs it\n", w.Funder)
	}
	for _, s := range w.Skipped {
		_, _ = fmt.Fprintf(out, "not moved    %s %s on %s: %s\n", s.Amount, s.Asset, s.Address, skippedWhy[s.Why])
	}
}

var skippedWhy = map[string]string{
	"dust": "it is worth less than the gas", "no_gas": "nobody pays for the gas, see --funder", "small": "less than --min",
	"refused": "the chain would not do it",
}

const maxRead = 32 << 20 // bytes of any file

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err == nil && len(b) > maxRead {
		err = errors.New("it is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// keepFile writes a file that only its owner may read.
func keepFile(name string, content []byte) error {
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func readPlan(name string) (sweep.Plan, []byte, error) {
	text, err := readFile(name)
	if err != nil {
		return sweep.Plan{}, nil, err
	}
	p, err := sweep.Read(text)
	if err != nil {
		return sweep.Plan{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, text, nil
}

func readSigned(names []string) ([][]byte, error) {
	var all [][]byte
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			return nil, err
		}
		some, err := sweep.ReadSigned(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func sweepKey(o *options) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "key", Args: cobra.NoArgs,
		Short: "Seal an account's extended private key (xprv, m/44'/60'/0') in a file, with a passphrase; for the machine that signs",
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := os.Lstat(file); err == nil {
				return fmt.Errorf("%s exists: a key's file is not overwritten", file)
			}
			ask := newAsker(c)
			xprv, err := ask.secret("Extended private key of the account (xprv, it is not shown)")
			if err != nil {
				return err
			}
			passphrase, err := ask.secret("A passphrase for the file")
			if err != nil {
				return err
			}
			if ask.file != nil {
				again, err := ask.secret("The passphrase again")
				if err != nil {
					return err
				}
				if again != passphrase {
					return errors.New("the two passphrases differ")
				}
			}
			if passphrase == "" {
				return errors.New("without a passphrase the file would not be sealed")
			}
			return o.sealKey(c, file, xprv, passphrase)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "file to keep it in; one that is there is not overwritten")
	_ = c.MarkFlagRequired("output")
	return c
}

func (o *options) sealKey(c *cobra.Command, file, xprv, passphrase string) error {
	sealed, err := keyfile.Seal(xprv, passphrase, keyfile.Strong)
	if err != nil {
		return err
	}
	account, err := keyfile.Open(sealed, passphrase)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	_, err = f.Write(sealed)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	var first []string
	for i := range uint32(shownAddresses) {
		a, err := account.Address(i)
		if err != nil {
			return err
		}
		first = append(first, a.String())
	}
	return o.print(c.OutOrStdout(), map[string]any{"file": file, "firstAddresses": first}, func(out io.Writer) {
		_, _ = fmt.Fprintf(out, "%s holds the key. Its first addresses; `quittance deposits key` must have shown the same:\n", file)
		for i, a := range first {
			_, _ = fmt.Fprintf(out, "  %d  %s\n", i, a)
		}
	})
}

func sweepSign(o *options) *cobra.Command {
	var key, to, file, gas string
	var yes bool
	c := &cobra.Command{
		Use: "sign PLAN", Args: cobra.ExactArgs(1),
		Short: "Sign a plan with an account's key; without a network and a database",
		RunE: func(c *cobra.Command, args []string) error {
			p, text, err := readPlan(args[0])
			if err != nil {
				return err
			}
			w, err := summarize(p, text)
			if err != nil {
				return err
			}
			receiver, err := knownReceiver(p, to, yes)
			if err != nil {
				return err
			}
			if err := affordable(p, gas, yes); err != nil {
				return err
			}
			sealed, err := readFile(key)
			if err != nil {
				return err
			}
			ask := newAsker(c)
			w.tell(c.ErrOrStderr())
			if !yes {
				if err := ask.confirm("Is this the fingerprint that the server showed, and the receiver yours?"); err != nil {
					return err
				}
			}
			passphrase, err := ask.secret("Passphrase of " + key)
			if err != nil {
				return err
			}
			account, err := keyfile.Open(sealed, passphrase)
			if err != nil {
				return err
			}
			signed, others, err := account.Sign(p, receiver)
			if err != nil {
				return err
			}
			return o.keepSigned(c, file, signed, others, "for the funder to sign: gas money")
		},
	}
	c.Flags().StringVar(&key, "key", "", "the key's file, made by `quittance sweep key`")
	c.Flags().StringVar(&to, "to", "", "the receiver that you know: a plan that sends elsewhere is not signed")
	c.Flags().StringVarP(&file, "output", "o", "", "file to write the signed transactions to")
	c.Flags().StringVar(&gas, "max-gas", "", "the most that gas may cost in all, like 0.01 of the chain's own currency: a plan that may burn more is not signed")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask; needs --to and --max-gas")
	for _, name := range []string{"key", "output"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

// knownReceiver is where a plan may send money: to the account that somebody named, or to the
// plan's own, about which they are asked then.
func knownReceiver(p sweep.Plan, to string, yes bool) (asset.Address, error) {
	if to == "" && yes {
		return asset.Address{}, errors.New("--yes asks nobody: say with --to where the money may go")
	}
	if to == "" {
		return p.To, nil
	}
	receiver, err := walletAddress(to)
	if err != nil {
		return asset.Address{}, fmt.Errorf("--to: %w", err)
	}
	return receiver, nil
}

// affordable refuses a plan whose gas may cost more than most, in whole units of the chain's
// own currency. A plan can burn as gas all that it does not move: who asks nobody has to
// set a bound.
func affordable(p sweep.Plan, most string, alone bool) error {
	if most == "" {
		if alone {
			return errors.New("--yes asks nobody: say with --max-gas what gas may cost")
		}
		return nil
	}
	native, _, err := tables(p.Chain)
	if err != nil {
		return err
	}
	bound, err := money.Parse(most, native.Decimals)
	if err != nil {
		return fmt.Errorf("--max-gas: %w", err)
	}
	if cost := p.MaxCost(); cost.Cmp(bound) > 0 {
		return fmt.Errorf("the plan's gas may cost %s %s, more than --max-gas", money.Format(cost, native.Decimals), native.ID)
	}
	return nil
}

// keepSigned writes signed transactions, and tells how many of the plan's are left and
// for whom.
func (o *options) keepSigned(c *cobra.Command, file string, signed [][]byte, left int, whom string) error {
	if err := keepFile(file, []byte(sweep.WriteSigned(signed))); err != nil {
		return err
	}
	return o.print(c.OutOrStdout(), map[string]any{"file": file, "signed": len(signed), "left": left}, func(out io.Writer) {
		_, _ = fmt.Fprintf(out, "%d transactions are signed in %s\n", len(signed), file)
		if left > 0 {
			_, _ = fmt.Fprintf(out, "%d are left %s\n", left, whom)
		}
	})
}

// exchangeFormat names the form of the file that goes to hardware wallets and comes back.
const exchangeFormat = "quittance-sweep-exchange-1"

// exchange is that file: whoever signs fills in the signatures.
type exchange struct {
	Format       string         `json:"format"`
	Fingerprint  string         `json:"fingerprint"`
	ChainID      asset.ChainID  `json:"chainId"`
	To           string         `json:"to"`
	Transactions []exchangeItem `json:"transactions"`
}

type exchangeItem struct {
	Number   int    `json:"number"`
	Kind     string `json:"kind"`
	From     string `json:"from"`
	Path     string `json:"path,omitempty"` // "" for the funder's
	Unsigned string `json:"unsigned"`       // EIP-1559, as hardware wallets take it
	Hash     string `json:"hash"`           // keccak256 of that: what is signed
	// Signature is r, s and v as 65 bytes in 0x-hex; v is 0 or 1, or 27 or 28.
	Signature string `json:"signature"`
}

func sweepExport(o *options) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "export PLAN", Args: cobra.ExactArgs(1),
		Short: "Write a plan's transactions for hardware wallets and other signers: bytes, paths, and a place for each signature",
		RunE: func(c *cobra.Command, args []string) error {
			p, text, err := readPlan(args[0])
			if err != nil {
				return err
			}
			w, err := summarize(p, text)
			if err != nil {
				return err
			}
			x := exchange{Format: exchangeFormat, Fingerprint: w.Fingerprint, ChainID: p.Chain, To: w.To, Transactions: []exchangeItem{}}
			for i, t := range p.Transfers {
				unsigned, err := p.Unsigned(t)
				if err != nil {
					return err
				}
				hash := p.SigHash(t)
				x.Transactions = append(x.Transactions, exchangeItem{
					Number: i + 1, Kind: string(t.Kind), From: t.From.String(), Path: t.Path, Unsigned: "0x" + hex.EncodeToString(unsigned), Hash: "0x" + hex.EncodeToString(hash[:]),
				})
			}
			out, err := json.MarshalIndent(x, "", " ")
			if err != nil {
				return fmt.Errorf("encoding: %w", err)
			}
			if err := keepFile(file, append(out, '\n')); err != nil {
				return err
			}
			return o.print(c.OutOrStdout(), w, w.tell)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "file to write")
	_ = c.MarkFlagRequired("output")
	return c
}

func sweepAttach(o *options) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "attach PLAN EXCHANGE", Args: cobra.ExactArgs(2),
		Short: "Read the signatures back from an exported file, and make signed transactions of them",
		RunE: func(c *cobra.Command, args []string) error {
			p, text, err := readPlan(args[0])
			if err != nil {
				return err
			}
			raw, err := readFile(args[1])
			if err != nil {
				return err
			}
			var x exchange
			if err := json.Unmarshal(raw, &x); err != nil || x.Format != exchangeFormat {
				return fmt.Errorf("%s is not a file that `quittance sweep export` has written", args[1])
			}
			if x.Fingerprint != sweep.Fingerprint(text) {
				return fmt.Errorf("%s is of another plan", args[1])
			}
			var signed [][]byte
			for _, item := range x.Transactions {
				if item.Signature == "" {
					continue
				}
				one, err := attached(p, item)
				if err != nil {
					return fmt.Errorf("transaction %d: %w", item.Number, err)
				}
				signed = append(signed, one)
			}
			return o.keepSigned(c, file, signed, len(p.Transfers)-len(signed), "without a signature")
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "file to write the signed transactions to")
	_ = c.MarkFlagRequired("output")
	return c
}

// attached is the signed transaction of a signature that came back.
func attached(p sweep.Plan, x exchangeItem) ([]byte, error) {
	if x.Number < 1 || x.Number > len(p.Transfers) {
		return nil, errors.New("the plan has no such transaction")
	}
	digits, ok := strings.CutPrefix(x.Signature, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 65 {
		return nil, errors.New("a signature is 0x and 130 hexadecimal digits")
	}
	if b[64] >= 27 {
		b[64] -= 27
	}
	return p.Sealed(p.Transfers[x.Number-1], [65]byte(b))
}
