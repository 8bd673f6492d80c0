package store

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"quittance/internal/asset"
)

// noTime is the time that is stored as 0.
var noTime time.Time

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(v int64) time.Time {
	if v == 0 {
		return noTime
	}
	return time.UnixMicro(v).UTC()
}

// units writes an amount; nil is "".
func units(v *big.Int) string {
	if v == nil {
		return ""
	}
	return v.String()
}

// parseUnits reads what units wrote.
func parseUnits(text string) (*big.Int, error) {
	if text == "" {
		return nil, nil
	}
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("stored amount %q is no integer", text)
	}
	return v, nil
}

// number fits a chain's or block's number into the database's signed integers.
func number(v uint64) (int64, error) {
	if v > math.MaxInt64 {
		return 0, fmt.Errorf("number %d is too large to store", v)
	}
	return int64(v), nil
}

func parseAddress(text string) (asset.Address, error) {
	a, err := asset.ParseAddress(text)
	if err != nil {
		return a, fmt.Errorf("stored address %q: %w", text, err)
	}
	return a, nil
}

// collect scans every row and closes the rows.
func collect[T any](r rows, scan func() (T, error)) ([]T, error) {
	defer r.Close()
	var all []T
	for r.Next() {
		v, err := scan()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if err := r.Err(); err != nil {
		return nil, neutral(err)
	}
	return all, nil
}

// placeholders writes n parameters from the given one on: "$2,$3,$4".
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// tuples writes n rows of so many parameters each: "($1,$2),($3,$4)".
func tuples(n, width int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("(" + placeholders(i*width+1, width) + ")")
	}
	return b.String()
}

// atOnce is the smallest of some sizes that holds n, or else the largest.
func atOnce(sizes []int, n int) int {
	for _, size := range sizes {
		if n <= size {
			return size
		}
	}
	return slices.Max(sizes)
}

// plain makes outside text storable: PostgreSQL takes neither invalid UTF-8 nor
// the zero character.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
