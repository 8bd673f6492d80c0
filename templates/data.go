package templates

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"

	"github.com/a-h/templ"
)

// dataBlock hands a Data, a LockedData or a DepositData to the script as JSON. json.Marshal writes <, >, & and the
// two line separators as escapes, so that no value can end the element.
func dataBlock(d any) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		body, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encoding the page's data: %w", err)
		}
		out := make([]byte, 0, len(body)+64)
		out = append(out, `<script type="application/json" id="payment">`...)
		out = append(out, body...)
		out = append(out, `</script>`...)
		_, err = w.Write(out)
		return err
	})
}

// grouped writes an address in groups of four digits that a reader can compare,
// the first with its 0x, first and last set apart by the style sheet.
func grouped(address string) templ.Component { return groups(address, 6) }

// groups writes a text in groups of four characters, the first of another length. There
// is nothing between the groups, not even white space: read or copied as one text they
// are the text exactly. It is written by hand because templ puts white space around what
// it repeats.
func groups(text string, first int) templ.Component {
	const step = 4
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		out := make([]byte, 0, 256)
		for at, end := 0, first; at < len(text); at, end = end, end+step {
			out = append(out, "<span>"...)
			out = append(out, html.EscapeString(text[at:min(end, len(text))])...)
			out = append(out, "</span>"...)
		}
		_, err := w.Write(out)
		return err
	})
}

// drawn writes a drawing out as it is.
func drawn(d Drawing) templ.Component { return templ.Raw(string(d)) }

// itemPayee is the payee of one payment of a batch, a link where there is an
// explorer, its two ends set apart; like grouped it is one text without gaps.
func itemPayee(i Item) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		out := make([]byte, 0, 384)
		tag := "code"
		if web(i.PayeeURL) {
			tag = "a"
			out = append(out, `<a class="item-payee" translate="no" target="_blank" rel="noopener noreferrer" href="`...)
			out = append(out, html.EscapeString(i.PayeeURL)...)
			out = append(out, `">`...)
		} else {
			out = append(out, `<code class="item-payee" translate="no">`...)
		}
		first, middle, last := i.ends()
		for k, part := range []string{first, middle, last} {
			if part == "" {
				continue
			}
			element := "b"
			if k == 1 {
				element = "span"
			}
			out = append(out, "<"+element+">"+html.EscapeString(part)+"</"+element+">"...)
		}
		out = append(out, "</"+tag+">"...)
		_, err := w.Write(out)
		return err
	})
}
