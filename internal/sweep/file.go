package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
)

// Format names the form of a plan's file.
const Format = "quittance-sweep-1"

type fileWire struct {
	Format    string         `json:"format"`
	MadeAt    string         `json:"madeAt"`
	Network   string         `json:"network"`
	ChainID   uint64         `json:"chainId"`
	To        string         `json:"to"`
	Branch    string         `json:"branch"`
	Funder    string         `json:"funder,omitzero"`
	Transfers []transferWire `json:"transfers"`
	Skipped   []skippedWire  `json:"skipped"`
}

type transferWire struct {
	Kind      string `json:"kind"`
	Path      string `json:"path,omitzero"`
	From      string `json:"from"`
	Asset     string `json:"asset"`
	Amount    string `json:"amount"`
	Recipient string `json:"recipient"`
	Tx        txWire `json:"transaction"`
	// Unsigned is the transaction as hardware wallets take it.
	Unsigned string `json:"unsigned"`
}

type txWire struct {
	Nonce  uint64 `json:"nonce"`
	To     string `json:"to"`
	Value  string `json:"value"`
	Data   string `json:"data"`
	Gas    uint64 `json:"gas"`
	MaxFee string `json:"maxFeePerGas"`
	Tip    string `json:"maxPriorityFeePerGas"`
}

type skippedWire struct {
	Address string `json:"address"`
	Asset   string `json:"asset"`
	Amount  string `json:"amount"`
	Why     string `json:"why"`
}

// Write is a plan as a file, JSON that people can read. Amounts are base units as
// decimal text.
func Write(p Plan) ([]byte, error) {
	w := fileWire{
		Format: Format, MadeAt: p.MadeAt.UTC().Format(time.RFC3339), Network: p.Network, ChainID: uint64(p.Chain), To: p.To.String(),
		Branch: p.Branch, Transfers: []transferWire{}, Skipped: []skippedWire{},
	}
	if !p.Funder.IsZero() {
		w.Funder = p.Funder.String()
	}
	for _, t := range p.Transfers {
		unsigned, err := p.Unsigned(t)
		if err != nil {
			return nil, err
		}
		w.Transfers = append(w.Transfers, transferWire{
			Kind: string(t.Kind), Path: t.Path, From: t.From.String(), Asset: string(t.Asset), Amount: t.Amount.String(), Recipient: t.Recipient.String(),
			Tx: txWire{
				Nonce: t.Nonce, To: t.To.String(), Value: t.Value.String(), Data: "0x" + hex.EncodeToString(t.Data), Gas: t.Gas,
				MaxFee: t.MaxFee.String(), Tip: t.Tip.String(),
			},
			Unsigned: "0x" + hex.EncodeToString(unsigned),
		})
	}
	for _, s := range p.Skipped {
		w.Skipped = append(w.Skipped, skippedWire{Address: s.Address.String(), Asset: string(s.Asset), Amount: s.Amount.String(), Why: s.Why})
	}
	out, err := json.Marshal(w, json.Deterministic(true), jsontext.WithIndent(" "))
	if err != nil {
		return nil, fmt.Errorf("writing a plan: %w", err)
	}
	return append(out, '\n'), nil
}

// maxFile bounds a plan's file.
const maxFile = 32 << 20

// Read reads a plan's file and checks it: what it says for people is what its
// transactions do, field by field and in the bytes for hardware wallets.
func Read(file []byte) (Plan, error) {
	if len(file) > maxFile {
		return Plan{}, errors.New("the plan's file is too long")
	}
	var w fileWire
	if err := json.Unmarshal(file, &w, json.RejectUnknownMembers(true)); err != nil {
		return Plan{}, fmt.Errorf("the file cannot be read as a plan: %w", err)
	}
	if w.Format != Format {
		return Plan{}, fmt.Errorf("the file is not of the form %s", Format)
	}
	var d decoder
	p := Plan{Chain: asset.ChainID(w.ChainID), Network: d.word("network", w.Network), To: d.address("to", w.To), Branch: d.word("branch", w.Branch), MadeAt: d.time("madeAt", w.MadeAt)}
	if w.Funder != "" {
		p.Funder = d.address("funder", w.Funder)
	}
	for _, t := range w.Transfers {
		x := Transfer{
			Kind: Kind(t.Kind), Path: d.word("path", t.Path), From: d.address("from", t.From), Asset: asset.ID(d.word("asset", t.Asset)), Amount: d.amount("amount", t.Amount),
			Recipient: d.address("recipient", t.Recipient), Nonce: t.Tx.Nonce, To: d.address("to", t.Tx.To), Value: d.amount("value", t.Tx.Value),
			Data: d.bytes("data", t.Tx.Data), Gas: t.Tx.Gas, MaxFee: d.amount("maxFeePerGas", t.Tx.MaxFee), Tip: d.amount("maxPriorityFeePerGas", t.Tx.Tip),
		}
		told := d.bytes("unsigned", t.Unsigned)
		if d.err != nil {
			return Plan{}, d.err
		}
		if unsigned, err := p.Unsigned(x); err != nil || !bytes.Equal(unsigned, told) {
			return Plan{}, errors.New("the bytes for hardware wallets are not of the transaction beside them")
		}
		p.Transfers = append(p.Transfers, x)
	}
	for _, s := range w.Skipped {
		p.Skipped = append(p.Skipped, Skipped{Address: d.address("address", s.Address), Asset: asset.ID(d.word("asset", s.Asset)), Amount: d.amount("amount", s.Amount), Why: d.word("why", s.Why)})
	}
	if d.err != nil {
		return Plan{}, d.err
	}
	return p, p.Check()
}

// Fingerprint is what people compare on both machines: the first 16 hexadecimal digits of
// the file's SHA-256, in groups of four.
func Fingerprint(file []byte) string {
	sum := sha256.Sum256(file)
	text := hex.EncodeToString(sum[:8])
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, " ")
}

// decoder keeps the first thing that is wrong.
type decoder struct{ err error }

func (d *decoder) fail(field string) {
	if d.err == nil {
		d.err = fmt.Errorf("the plan's %s is not what it should be", field)
	}
}

func (d *decoder) address(field, text string) asset.Address {
	a, err := asset.ParseAddress(text)
	if err != nil || a.String() != text {
		d.fail(field)
	}
	return a
}

// word is text that may be shown in a terminal: short, and without anything that is not a
// letter, a digit or a sign of paths and names.
func (d *decoder) word(field, text string) string {
	const signs = "-_./'"
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(signs, c) >= 0) {
			d.fail(field)
			return ""
		}
	}
	if len(text) > 64 {
		d.fail(field)
	}
	return text
}

func (d *decoder) amount(field, text string) *big.Int {
	v, ok := new(big.Int).SetString(text, 10)
	if !ok || len(text) > 78 || v.Sign() < 0 || v.String() != text {
		d.fail(field)
		return new(big.Int)
	}
	return v
}

func (d *decoder) bytes(field, text string) []byte {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || digits != strings.ToLower(digits) {
		d.fail(field)
	}
	return b
}

func (d *decoder) time(field, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d.fail(field)
	}
	return t.UTC()
}
