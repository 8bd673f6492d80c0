package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// encode writes a value as JSON with its members in the order of the source, one
// to a line; nl is the line break with the indentation of the line it is on.
func encode(out *bytes.Buffer, v any, nl string) error {
	deeper := nl + "  "
	switch v := v.(type) {
	case yaml.MapSlice:
		if len(v) == 0 {
			out.WriteString("{}")
			return nil
		}
		for i, item := range v {
			out.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + deeper)
			if err := scalar(out, fmt.Sprint(item.Key)); err != nil {
				return err
			}
			out.WriteString(": ")
			if err := encode(out, item.Value, deeper); err != nil {
				return err
			}
		}
		out.WriteString(nl + "}")
	case []any:
		if len(v) == 0 {
			out.WriteString("[]")
			return nil
		}
		if short(v) {
			return inline(out, v)
		}
		for i, item := range v {
			out.WriteString(map[bool]string{true: "[", false: ","}[i == 0] + deeper)
			if err := encode(out, item, deeper); err != nil {
				return err
			}
		}
		out.WriteString(nl + "]")
	default:
		return scalar(out, v)
	}
	return nil
}

// short tells lists of a few words, which read best on one line.
func short(list []any) bool {
	n := 0
	for _, v := range list {
		switch v := v.(type) {
		case yaml.MapSlice, []any:
			return false
		case string:
			n += len(v)
		}
		n += 4
	}
	return n < 120
}

func inline(out *bytes.Buffer, list []any) error {
	for i, v := range list {
		out.WriteString(map[bool]string{true: "[", false: ", "}[i == 0])
		if err := scalar(out, v); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

func scalar(out *bytes.Buffer, v any) error {
	if s, ok := v.(string); ok {
		v = strings.TrimSuffix(s, "\n") // block scalars end with a line break
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	out.Write(bytes.TrimSpace(b.Bytes()))
	return nil
}
