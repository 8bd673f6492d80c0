package carry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// kind is what a column holds. The two engines agree on these and no others.
type kind string

const (
	text    kind = "text"
	integer kind = "integer"
	boolean kind = "boolean"
	bytea   kind = "bytes"
)

// kinds are the kinds by the engines' names of types.
var kinds = map[string]kind{
	"text": text, "bigint": integer, "integer": integer, "boolean": boolean, "blob": bytea, "bytea": bytea,
}

type column struct {
	Name string `json:"name"`
	Kind kind   `json:"kind"`
}

// table is a table as a catalogue describes it.
type table struct {
	Name    string   `json:"name"`
	Columns []column `json:"columns"` // by name
	Key     []int    `json:"key"`     // places of the primary key's columns, in its order
	refers  []string // to which tables its foreign keys lead
}

// own are tables about the database itself, which stay where they are.
var own = []string{"schema_migrations", "moved"}

// orderedTables puts tables after those that they refer to, and by name beyond that.
func orderedTables(all []table) ([]table, error) {
	slices.SortFunc(all, func(a, b table) int { return cmp.Compare(a.Name, b.Name) })
	done := map[string]bool{}
	var out []table
	for len(out) < len(all) {
		before := len(out)
		for _, t := range all {
			if !done[t.Name] && !slices.ContainsFunc(t.refers, func(to string) bool { return !done[to] }) {
				out, done[t.Name] = append(out, t), true
			}
		}
		if len(out) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return out, nil
}

// tidy puts a table's columns in the order of their names and refuses what could not
// be carried.
func (t *table) tidy(key []string) error {
	if len(key) == 0 {
		return fmt.Errorf("table %s has no primary key", t.Name)
	}
	slices.SortFunc(t.Columns, func(a, b column) int { return cmp.Compare(a.Name, b.Name) })
	for _, name := range key {
		at := slices.IndexFunc(t.Columns, func(c column) bool { return c.Name == name })
		if at < 0 {
			return fmt.Errorf("table %s has no column %s of its key", t.Name, name)
		}
		t.Key = append(t.Key, at)
	}
	return nil
}

// columnOf makes a column of what a catalogue says.
func columnOf(of, name, typ string) (column, error) {
	k, ok := kinds[strings.ToLower(typ)]
	if !ok {
		return column{}, fmt.Errorf("column %s.%s is of type %q, which cannot be carried", of, name, typ)
	}
	return column{name, k}, nil
}

// names are the quoted names of a table's columns.
func (t table) names() string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = quoted(c.Name)
	}
	return strings.Join(out, ", ")
}

// order is the order of the key. collation is added to texts: "" where they are ordered
// by their bytes anyway.
func (t table) order(collation string) string {
	out := make([]string, len(t.Key))
	for i, at := range t.Key {
		out[i] = quoted(t.Columns[at].Name)
		if t.Columns[at].Kind == text {
			out[i] += collation
		}
	}
	return strings.Join(out, ", ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// sameTables says how two lists of tables differ, nil if they do not.
func sameTables(from, to []table) error {
	for _, t := range from {
		at := slices.IndexFunc(to, func(o table) bool { return o.Name == t.Name })
		if at < 0 {
			return fmt.Errorf("table %s is missing where everything should go", t.Name)
		}
		if o := to[at]; !slices.Equal(t.Columns, o.Columns) || !slices.Equal(t.Key, o.Key) {
			return fmt.Errorf("table %s has other columns or another key where everything should go", t.Name)
		}
	}
	for _, t := range to {
		if !slices.ContainsFunc(from, func(o table) bool { return o.Name == t.Name }) {
			return fmt.Errorf("table %s is only where everything should go", t.Name)
		}
	}
	return nil
}
