package screening

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"quittance/internal/asset"
)

const (
	maxLine      = 64 << 10
	maxAddresses = 5_000_000
)

// columns are the names under which lists keep the address.
var columns = []string{"address", "wallet_address", "wallet", "walletaddress", "digital_currency_address", "digital currency address"}

// Parse reads a list of addresses: one on each line, with # for comments; CSV
// whose header has a column for the address; or a JSON array of strings. EVM
// addresses are taken whatever the case of their letters. Addresses of other
// kinds of chains are passed over, but what begins like an EVM address and is
// none is an error: a list that is cut or garbled must not pass for a short one.
//
// Errors: what is wrong and where; nothing in the file is an EVM address.
func Parse(r io.Reader) ([]asset.Address, error) {
	in := bufio.NewReaderSize(r, maxLine)
	if bom, err := in.Peek(3); err == nil && string(bom) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3) // it was peeked at
	}
	c := &collector{}
	var err error
	switch kind, perr := kindOf(in); {
	case perr != nil:
		return nil, perr
	case kind == '[':
		err = c.json(in)
	case kind == ',':
		err = c.csv(in)
	default:
		err = c.lines(in)
	}
	if err != nil {
		return nil, err
	}
	if len(c.found) == 0 {
		return nil, errors.New("the list holds no EVM address")
	}
	return sorted(c.found), nil
}

// kindOf looks at the beginning: '[' for JSON, ',' for CSV, 0 for lines. It
// passes over empty lines and comments.
func kindOf(in *bufio.Reader) (byte, error) {
	for {
		line, err := in.Peek(maxLine)
		if len(line) == 0 {
			return 0, errors.New("the list is empty")
		}
		text, rest, whole := strings.Cut(string(line), "\n")
		trimmed := strings.TrimSpace(text)
		switch {
		case strings.HasPrefix(trimmed, "["):
			return '[', nil // which may be all in one line
		case !whole && err == nil:
			return 0, fmt.Errorf("a line is longer than %d bytes", maxLine)
		case trimmed != "" && !strings.HasPrefix(trimmed, "#"):
			text, _, _ = strings.Cut(text, "#")
			if strings.Contains(text, ",") {
				return ',', nil
			}
			return 0, nil
		case !whole && rest == "":
			return 0, nil // nothing but comments: lines will say so
		}
		if _, err := in.Discard(len(text) + 1); err != nil {
			return 0, fmt.Errorf("read the list: %w", err)
		}
	}
}

type collector struct{ found []asset.Address }

// add takes one entry, which may be an address of another kind of chain.
func (c *collector) add(text, where string) error {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	if !strings.HasPrefix(lower, "0x") {
		if text == "" || len(text) > 128 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
			return fmt.Errorf("%s: not an address", where)
		}
		return nil
	}
	a, err := asset.ParseAddress(lower)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if len(c.found) >= maxAddresses {
		return fmt.Errorf("the list holds more than %d addresses", maxAddresses)
	}
	c.found = append(c.found, a)
	return nil
}

func (c *collector) lines(in *bufio.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; s.Scan(); n++ {
		text, _, _ := strings.Cut(s.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := c.add(text, fmt.Sprintf("line %d", n)); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	return nil
}

func (c *collector) csv(in *bufio.Reader) error {
	r := csv.NewReader(in)
	r.Comment, r.ReuseRecord, r.TrimLeadingSpace = '#', true, true
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	at := column(header)
	if at < 0 {
		return fmt.Errorf("the header has no column named %q", columns[0])
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		line, _ := r.FieldPos(at)
		if strings.TrimSpace(record[at]) == "" {
			continue // an entry without a wallet
		}
		if err := c.add(record[at], fmt.Sprintf("line %d", line)); err != nil {
			return err
		}
	}
}

func column(header []string) int {
	for _, want := range columns {
		for i, name := range header {
			if strings.EqualFold(strings.TrimSpace(name), want) {
				return i
			}
		}
	}
	return -1
}

func (c *collector) json(in *bufio.Reader) error {
	d := json.NewDecoder(in)
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	for i := 0; d.More(); i++ {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		text, ok := t.(string)
		if !ok {
			return fmt.Errorf("entry %d: not a string", i)
		}
		if err := c.add(text, fmt.Sprintf("entry %d", i)); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read the list: %w", err) // cut before its end
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the list")
	}
	return nil
}
