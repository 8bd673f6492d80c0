package apidoc

import (
	"fmt"
	"slices"
	"strings"

	"quittance/templates"
)

// deepest is how far members inside of members are shown.
const deepest = 5

// fields lists the members of a body, those inside of others after them.
// Alternatives come one after the other, but for the common error body, which is
// told of once.
func (s *spec) fields(x *schema) []templates.APIDocField {
	var out []templates.APIDocField
	s.walk(x, "", 0, &out)
	return out
}

func (s *spec) walk(x *schema, prefix string, depth int, out *[]templates.APIDocField) {
	x = s.schema(x)
	if x == nil || depth > deepest {
		return
	}
	if x.Items != nil {
		s.walk(x.Items, prefix+"[]", depth, out)
		return
	}
	several := s.alternatives(x)
	for _, one := range several {
		if len(several) > 1 && one.Title != "" {
			*out = append(*out, templates.APIDocField{Heading: true, Depth: depth, Name: one.Title})
		}
		s.walk(one, prefix, depth, out)
	}
	for _, name := range x.Properties.names {
		member := s.schema(x.Properties.of[name])
		if member == nil {
			continue
		}
		at := name
		if prefix != "" {
			at = prefix + "." + name
		}
		*out = append(*out, templates.APIDocField{
			Name: at, Depth: depth, Type: s.typeOf(member), Required: slices.Contains(x.Required, name),
			Rules: rules(s.only(member)), Text: spans(join([]string{s.told(member)})),
		})
		s.walk(member, at, depth+1, out)
	}
}

// alternatives are what a value may be instead: null and the common error left out.
func (s *spec) alternatives(x *schema) []*schema {
	var out []*schema
	for _, one := range append(slices.Clone(x.OneOf), x.AnyOf...) {
		if one.Ref == "#/components/schemas/Error" || slices.Equal(one.Type, typeNames{"null"}) {
			continue
		}
		if one = s.schema(one); one != nil {
			out = append(out, one)
		}
	}
	return out
}

// only is what a value is if it is not null.
func (s *spec) only(x *schema) *schema {
	if all := s.alternatives(x); len(all) == 1 {
		return all[0]
	}
	return x
}

// told is a member's description, or that of the one thing it may be.
func (s *spec) told(x *schema) string {
	if x.Description != "" {
		return x.Description
	}
	return s.only(x).Description
}

func (s *spec) typeOf(x *schema) string {
	if x == nil {
		return ""
	}
	if x.Items != nil {
		return "array of " + s.typeOf(s.schema(x.Items))
	}
	var names []string
	for _, one := range append(slices.Clone(x.OneOf), x.AnyOf...) {
		if t := s.typeOf(s.schema(one)); t != "" && !slices.Contains(names, t) {
			names = append(names, t)
		}
	}
	names = append(names, x.Type...)
	// null reads best at the end
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a == b || (a != "null" && b != "null"):
			return 0
		case a == "null":
			return 1
		}
		return -1
	})
	return strings.Join(names, " or ")
}

// rules are the limits of a value, in words.
func rules(x *schema) []string {
	if x == nil {
		return nil
	}
	var out []string
	if x.Const != nil {
		out = append(out, fmt.Sprintf("always %v", x.Const))
	}
	if len(x.Enum) > 0 {
		var words []string
		for _, v := range x.Enum {
			if v != nil {
				words = append(words, fmt.Sprint(v))
			}
		}
		out = append(out, "one of "+strings.Join(words, ", "))
	}
	between := func(low, high, what string) {
		switch {
		case low != "" && high != "" && low == high:
			out = append(out, "exactly "+low+what)
		case low != "" && high != "":
			out = append(out, low+" to "+high+what)
		case low != "":
			out = append(out, "at least "+low+what)
		case high != "":
			out = append(out, "at most "+high+what)
		}
	}
	between(number(x.Minimum), number(x.Maximum), "")
	between(moreThanOne(x.MinLength, x.MaxLength), count(x.MaxLength), " characters")
	between(moreThanOne(x.MinItems, x.MaxItems), count(x.MaxItems), " items")
	if x.Default != nil {
		out = append(out, fmt.Sprintf("%v if left out", x.Default))
	}
	return out
}

// moreThanOne is a lower limit, unless it says no more than that there is something.
func moreThanOne(low, high *int) string {
	if high == nil && low != nil && *low == 1 {
		return ""
	}
	return count(low)
}
